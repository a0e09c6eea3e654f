/** npm run bench -- [parts…] [--quick] [--json FILE], on the native Postgres of TEST_DATABASE_URL. */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { BenchServer } from "./bench-database.ts";
import { describeMachine } from "./machine.ts";
import type { Part } from "./part.ts";
import { backfill } from "./parts/backfill.ts";
import { cached } from "./parts/cached.ts";
import { freshness } from "./parts/freshness.ts";
import { growth } from "./parts/growth.ts";
import { hnsw } from "./parts/hnsw.ts";
import { search } from "./parts/search.ts";
import { soak } from "./parts/soak.ts";
import { startup } from "./parts/startup.ts";
import { waits } from "./parts/waits.ts";
import { writes } from "./parts/writes.ts";
import { print, type Section } from "./report.ts";

const PARTS: Readonly<Record<string, Part>> = {
  backfill,
  cached,
  hnsw,
  freshness,
  writes,
  waits,
  growth,
  search,
  startup,
  soak,
};
/** Parts that take minutes: they run only when they are named. */
const ON_REQUEST = ["soak"];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: "boolean", default: false }, json: { type: "string", default: "bench.json" } },
});
const unknown = positionals.filter((name) => PARTS[name] === undefined);
const url = process.env["TEST_DATABASE_URL"];
if (unknown.length > 0 || url === undefined) {
  console.error(
    url === undefined
      ? "Set TEST_DATABASE_URL to a native Postgres with pgvector that no other program uses during the bench."
      : `There is no part ${unknown.join(", ")}. Parts: ${Object.keys(PARTS).join(" ")}.`,
  );
  process.exit(2);
}

const server = new BenchServer(url);
const machine = await describeMachine(server);
for (const [name, value] of Object.entries(machine)) console.log(`${name.padEnd(9)} ${value}`);
const sections: Section[] = [];
try {
  for (const name of positionals.length > 0
    ? positionals
    : Object.keys(PARTS).filter((part) => !ON_REQUEST.includes(part))) {
    const found = (await PARTS[name]?.({ server, quick: values.quick })) ?? [];
    for (const section of found) print(section);
    sections.push(...found);
    await writeFile(values.json, JSON.stringify({ machine, quick: values.quick, sections }, null, 2));
  }
} finally {
  await server.close();
}
const bars = sections.flatMap((section) => section.bars);
console.log(
  `\n${bars.filter((bar) => bar.met).length} of ${bars.length} bars met; figures in ${values.json}`,
);
// The bench must not wait for a stand-in provider that is still ending.
process.exit(0);
