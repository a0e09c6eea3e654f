import { invocation } from "../invocation.ts";
import { failuresByReason, type FailuresOfReason } from "../queue/failures.ts";
import { printable } from "../printable.ts";
import { requireSource } from "../sources/unknown-source.ts";
import { JSON_OPTION, parseCommand, wholeNumber, type Command, type Options } from "./command.ts";
import { withDatabase } from "./with-database.ts";

const SHOWN = 20;

const OPTIONS = {
  source: { type: "string", value: "NAME", about: "shows rows of this source alone; default: all sources" },
  limit: {
    type: "string",
    value: "N",
    about: `the most rows that are shown per reason; default: ${SHOWN}, with --json all`,
  },
  json: JSON_OPTION,
} as const satisfies Options;

export const failed: Command = {
  usage: invocation("failed", "[--source NAME] [--limit N] [--json]"),
  summary: "list the rows that failed, by reason: source, key, time and attempts, never a text",
  options: OPTIONS,
  examples: [
    [invocation("failed", "--source tickets"), "what has to be fixed before a retry"],
    [invocation("failed", "--json"), "every failed row, for a program"],
  ],
  async run(args) {
    const { values } = parseCommand(failed, args, { options: OPTIONS });
    const { source, json } = values;
    const limit = values.limit === undefined ? undefined : wholeNumber("--limit", values.limit);
    return await withDatabase(async (db) => {
      if (source !== undefined) await requireSource(db, source);
      const failures = await failuresByReason(db, source, limit ?? (json ? undefined : SHOWN));
      console.log(json ? JSON.stringify(failures) : describe(failures, source));
      return 0;
    });
  },
};

function describe(failures: readonly FailuresOfReason[], source: string | undefined): string {
  if (failures.length === 0) return "No row has failed.";
  const retry = invocation("retry", source === undefined ? "" : ["--source", source]);
  return [...failures.map(describeReason), `When the cause is fixed: ${retry}`].join("\n\n");
}

function describeReason({ reason, rows, failed: shown }: FailuresOfReason): string {
  const cells = shown.map(
    (row) => [row.source, printable(row.key), row.failed_at, String(row.attempts)] as const,
  );
  const table = [["source", "key", "failed", "attempts"] as const, ...cells];
  const width = (column: 0 | 1 | 2): number => Math.max(...table.map((row) => row[column].length));
  const [sources, keys, times] = [width(0), width(1), width(2)];
  return [
    `${rows === 1 ? "1 row" : `${rows} rows`}: ${printable(reason)}`,
    ...table.map(
      ([source, key, time, attempts]) =>
        `  ${source.padEnd(sources)}  ${key.padEnd(keys)}  ${time.padEnd(times)}  ${attempts}`,
    ),
    ...(rows > shown.length ? [`  and ${rows - shown.length} more`] : []),
  ].join("\n");
}
