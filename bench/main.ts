/** `npm run bench`: `--help` shows its parts and options. */
import { writeFile } from "node:fs/promises";
import { UsageError } from "../src/errors.ts";
import { drawChart } from "./chart.ts";
import { HELP, readOptions } from "./options.ts";
import { print, printMachine } from "./report.ts";
import { readResults, writeResults } from "./results.ts";
import { runParts } from "./run-parts.ts";

type Options = ReturnType<typeof readOptions>;

async function main(options: Options): Promise<void> {
  const databaseUrl = process.env["TEST_DATABASE_URL"];
  if (options.help) console.log(HELP);
  else if (options.chart !== undefined) await chart(options.chart, options.svg);
  else if (databaseUrl === undefined) {
    throw new UsageError(
      "Set TEST_DATABASE_URL to a native Postgres with pgvector that no other program uses during the bench.",
      HELP,
    );
  } else process.exit(await measure(databaseUrl, options));
}

async function chart(file: string, svg = "docs/benchmarks.svg"): Promise<void> {
  const results = await readResults(file);
  printMachine(results.machine);
  for (const section of results.sections) print(section);
  await draw(svg, results);
}

/** @returns the exit code; the bench must not wait for a stand-in provider that is still ending */
async function measure(databaseUrl: string, options: Options): Promise<number> {
  const { parts, json, svg, quick, rows, collections } = options;
  const { results, failed } = await runParts(databaseUrl, parts, { quick, rows, collections }, (results) =>
    writeResults(json, results),
  );
  const bars = results.sections.flatMap((section) => section.bars);
  console.log(`\n${bars.filter(({ met }) => met).length} of ${bars.length} bars met; figures in ${json}`);
  if (svg !== undefined) await draw(svg, results);
  if (failed.length > 0) console.error(`failed: ${failed.join(" ")}`);
  return failed.length > 0 ? 1 : 0;
}

async function draw(file: string, results: Parameters<typeof drawChart>[0]): Promise<void> {
  await writeFile(file, drawChart(results));
  console.log(`chart in ${file}`);
}

try {
  await main(readOptions(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
