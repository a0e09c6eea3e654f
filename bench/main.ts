/**
 * npm run bench -- [parts…] [--quick] [--rows N] [--collections FOLDER] [--json FILE] [--svg FILE], on the native Postgres of TEST_DATABASE_URL;
 * npm run bench -- --chart RESULTS [--svg FILE], which measures nothing.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { drawChart } from "./chart.ts";
import { PARTS, USUAL_PARTS } from "./parts.ts";
import { print, printMachine } from "./report.ts";
import { readResults, writeResults } from "./results.ts";
import { runParts } from "./run-parts.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    rows: { type: "string" },
    json: { type: "string", default: "bench.json" },
    svg: { type: "string" },
    chart: { type: "string" },
    collections: { type: "string" },
  },
});
const rows = values.rows === undefined ? undefined : Number(values.rows);
const unknown = positionals.filter((name) => PARTS[name] === undefined);
const databaseUrl = process.env["TEST_DATABASE_URL"];

if (values.chart !== undefined) {
  const results = await readResults(values.chart);
  printMachine(results.machine);
  for (const section of results.sections) print(section);
  await draw(values.svg ?? "docs/benchmarks.svg", results);
} else if (rows !== undefined && !(Number.isInteger(rows) && rows >= 1_000)) {
  refuse("--rows takes a whole number from 1,000.");
} else if (unknown.length > 0) {
  refuse(`There is no part ${unknown.join(", ")}. Parts: ${Object.keys(PARTS).join(" ")}.`);
} else if (databaseUrl === undefined) {
  refuse(
    "Set TEST_DATABASE_URL to a native Postgres with pgvector that no other program uses during the bench.",
  );
} else {
  const names = positionals.length > 0 ? positionals : USUAL_PARTS;
  const { results, failed } = await runParts(
    databaseUrl,
    names,
    { quick: values.quick, rows, collections: values.collections },
    (results) => writeResults(values.json, results),
  );
  const bars = results.sections.flatMap((section) => section.bars);
  console.log(
    `\n${bars.filter(({ met }) => met).length} of ${bars.length} bars met; figures in ${values.json}`,
  );
  if (values.svg !== undefined) await draw(values.svg, results);
  if (failed.length > 0) console.error(`failed: ${failed.join(" ")}`);
  // The bench must not wait for a stand-in provider that is still ending.
  process.exit(failed.length > 0 ? 1 : 0);
}

async function draw(file: string, results: Parameters<typeof drawChart>[0]): Promise<void> {
  await writeFile(file, drawChart(results));
  console.log(`chart in ${file}`);
}

function refuse(why: string): void {
  console.error(why);
  process.exitCode = 2;
}
