import { UsageError } from "../errors.ts";
import { erase as eraseRows, type Erased, type ErasedRow } from "../erase/erase.ts";
import { invocation } from "../invocation.ts";
import { printable } from "../printable.ts";
import { hostOf, rerankerEgress } from "../status/egress.ts";
import { JSON_OPTION, parseCommand, type Command, type Options } from "./command.ts";
import { withDatabase } from "./with-database.ts";

const OPTIONS = {
  source: { type: "string", value: "NAME", about: "the source of the row" },
  key: {
    type: "string",
    value: "KEY",
    multiple: true,
    about: "the key of the row; of several columns a JSON array of texts",
  },
  "keep-text": {
    type: "boolean",
    default: false,
    about: "erases although the row still has its text, which stays",
  },
  "dry-run": { type: "boolean", default: false, about: "counts what would be removed, and changes nothing" },
  json: JSON_OPTION,
} as const satisfies Options;

export const erase: Command = {
  usage: invocation("erase", "--source NAME --key KEY… [--keep-text] [--dry-run] [--json]"),
  summary:
    "remove what is held of a row: its vectors, also cached ones, and its entries in queue and ledger; delete the row or its text first",
  options: OPTIONS,
  examples: [
    [invocation("erase", "--source tickets --key 17"), "after the row was deleted, or its text set to null"],
    [
      invocation("erase", '--source visits --key \'["12", "2026-03-01"]\' --dry-run'),
      "a key of two columns; what would be removed",
    ],
  ],
  async run(args) {
    const { values } = parseCommand(erase, args, { options: OPTIONS });
    const { source, key: keys, json } = values;
    if (source === undefined || keys === undefined) {
      throw new UsageError("Name the source and the key of a row.", `Usage: ${erase.usage}`);
    }
    const isDryRun = values["dry-run"];
    return await withDatabase(async (db, config) => {
      const erased = await eraseRows(db, { source, keys, keepsText: values["keep-text"], isDryRun });
      const hosts = await Promise.all(erased.embedded_by.map((embedded) => hostOf(config, embedded)));
      const remains = remainsOf(hosts, rerankerEgress(config)?.host ?? null);
      const { rows, other_sources } = erased;
      console.log(
        json
          ? JSON.stringify({ source, dry_run: isDryRun, rows, other_sources, remains })
          : describe(erased, isDryRun, remains),
      );
      return 0;
    });
  },
};

function describe(
  { source, rows, other_sources: others }: Erased,
  isDryRun: boolean,
  remains: string[],
): string {
  return [
    isDryRun ? "This was a dry run: nothing was changed. It would remove:" : "Removed:",
    ...rows.map((row) => `  ${source}, key ${printable(row.key)} (row ${row.row}): ${counts(row)}`),
    ...(rows.some(({ in_flight }) => in_flight)
      ? ["A listener may hold a text at this moment, and cache its vector: run this again in a minute."]
      : []),
    ...(rows.some(({ in_batch }) => in_batch)
      ? [
          "A batch has a text: its file at the provider is deleted when the batch has ended. No vector of it is stored.",
        ]
      : []),
    ...(rows.some(({ row }) => row === "with text")
      ? ["A text that is still there is embedded again by the next backfill, or when it changes."]
      : []),
    ...(others.length === 0
      ? []
      : [`Other sources of the same table keep what they hold, erase there too: ${others.join(", ")}`]),
    "What this cannot reach:",
    ...remains.map((place) => `  ${place}`),
  ].join("\n");
}

const NOUNS = {
  vectors: "vectors",
  chunks: "chunks with texts and vectors",
  cached_vectors: "cached vectors",
  ledger: "ledger entries",
  queued: "queue rows",
  failures: "failure reasons",
  reservations: "reservations",
} as const satisfies Record<keyof ErasedRow["removed"], string>;

function counts({ removed }: ErasedRow): string {
  const found = Object.entries(NOUNS).flatMap(([name, noun]) => {
    const count = removed[name as keyof typeof NOUNS];
    return count === 0 ? [] : [`${noun} ${count}`];
  });
  return found.join(", ") || "nothing was held";
}

/** Where copies may be that a command of ours cannot remove. */
function remainsOf(hosts: readonly (string | null)[], reranker: string | null): string[] {
  const providers = [...new Set(hosts.filter((host) => host !== null))];
  return [
    "backups, until they expire",
    "the write-ahead log and its archive; replicas, until they have caught up",
    "dead row versions and the vector index, until VACUUM has been there",
    "Postgres's own log, if it logs statements or their parameters",
    ...(providers.length === 0
      ? []
      : [`the provider (${providers.join(", ")}): what it keeps of a request is a matter of its terms`]),
    ...(reranker === null
      ? []
      : [`the reranker (${reranker}), where a search asked for it: what it keeps is a matter of its terms`]),
  ];
}
