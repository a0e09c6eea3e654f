import { parseCommand } from "../src/commands/command.ts";
import { UsageError } from "../src/errors.ts";
import { ON_REQUEST, PARTS, USUAL_PARTS } from "./parts.ts";

const usage = `npm run bench -- [PART…] [--quick] [--rows N] [--collections FOLDER] [--json FILE] [--svg FILE]
       npm run bench -- --chart RESULTS [--svg FILE]`;

export const HELP = `Usage: ${usage}

On the native Postgres of TEST_DATABASE_URL, which no other program should use meanwhile. With --chart it measures nothing.

Parts that run if none is named:
  ${USUAL_PARTS.join(" ")}
Parts that run only when they are named:
  ${ON_REQUEST.join(" ")}

  --quick               fewer rows and turns: whether it works, not how fast it is
  --rows N              rows of the main table of backfill, statements and state, from 1,000
  --collections FOLDER  with cranfield/ and clinical-notes.csv, for relevance
  --json FILE           where the figures go (default: bench.json)
  --svg FILE            draws the chart too
  --chart RESULTS       prints the tables of that file again, and draws docs/benchmarks.svg (or --svg FILE)`;

/** @throws {UsageError} */
export function readOptions(args: readonly string[]) {
  const { values, positionals } = parseCommand({ usage }, args, {
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      rows: { type: "string" },
      json: { type: "string", default: "bench.json" },
      svg: { type: "string" },
      chart: { type: "string" },
      collections: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const rows = values.rows === undefined ? undefined : Number(values.rows);
  if (rows !== undefined && !(Number.isInteger(rows) && rows >= 1_000))
    throw new UsageError("--rows takes a whole number from 1,000.", `Usage: ${usage}`);
  const unknown = positionals.filter((name) => !Object.hasOwn(PARTS, name));
  if (unknown.length > 0) {
    const parts = Object.keys(PARTS).join(" ");
    throw new UsageError(`There is no part ${unknown.join(", ")}. Parts: ${parts}.`, `Usage: ${usage}`);
  }
  return { ...values, rows, parts: positionals.length > 0 ? positionals : USUAL_PARTS };
}
