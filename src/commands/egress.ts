import { invocation } from "../invocation.ts";
import { printable } from "../printable.ts";
import { describeSent } from "../providers/roles/sent.ts";
import {
  readEgress,
  rerankerEgress,
  type Egress,
  type RerankerEgress,
  type SentUsage,
} from "../status/egress.ts";
import { JSON_OPTION, parseCommand, type Command, type Options } from "./command.ts";
import { withDatabase } from "./with-database.ts";

const OPTIONS = {
  json: JSON_OPTION,
} as const satisfies Options;

/** What the figures count, and what they leave out. */
const COUNTED =
  "Counted: requests of listeners, backfills and samples of dry runs; bytes are not recorded. Not counted: questions of searches, reranked searches, verify, the sample of adopt, and backfill --per-row. By the settings of this process: a listener with others may send elsewhere.";

export const egress: Command = {
  usage: invocation("egress", "[--json]"),
  summary: "show what leaves your machines: per source the host, the model, what is sent, and how much was",
  options: OPTIONS,
  examples: [
    [invocation("egress"), "for a review: where texts go, and which variable holds the key"],
    [invocation("egress", "--json"), "for a program"],
  ],
  async run(args) {
    const { values } = parseCommand(egress, args, { options: OPTIONS });
    return await withDatabase(async (db, config) => {
      const sources = await readEgress(db, config);
      console.log(
        values.json
          ? JSON.stringify(sources)
          : [...sources.map(describe), ...describeReranker(rerankerEgress(config)), COUNTED].join("\n\n"),
      );
      return 0;
    });
  },
};

function describe(source: Egress): string {
  const { destination, table, text } = source;
  const lines: readonly (readonly [string, string | undefined])[] = [
    ["goes to", placeOf(source)],
    ["model", destination === null ? undefined : `${destination.model} (${destination.backend})`],
    ["key", destination === null ? undefined : destination.keys.join(", ") || "none"],
    [
      "text",
      text === null ? undefined : `${text} of ${String(table)}${source.in_chunks ? ", in chunks" : ""}`,
    ],
    ["sent as", destination === null ? undefined : describeSent(destination.sent)],
    ["fields", destination === null ? undefined : fieldsOf(destination.fields)],
    ["headers", destination?.headers.join(", ")],
    ["today", describeUsage(source.today)],
    ["7 days", describeUsage(source.last_7_days)],
  ];
  return [
    `${source.source}${source.paused ? " (paused)" : ""}`,
    ...lines.flatMap(([name, value]) =>
      value === undefined || value === "" ? [] : [`  ${name.padEnd(7)}  ${value}`],
    ),
  ]
    .map(printable)
    .join("\n");
}

function describeReranker(reranker: RerankerEgress | null): string[] {
  if (reranker === null) return [];
  const { model, backend, keys } = reranker.destination;
  const lines = [
    ["goes to", placeOf({ ...reranker, problem: null })],
    ["model", `${model ?? "the one it serves"} (${backend})`],
    ["key", keys.join(", ") || "none"],
    ["text", "texts of rows, where a search asks to rerank, and its question"],
  ] as const;
  return [["reranker", ...lines.map(([name, value]) => `  ${name.padEnd(7)}  ${value}`)].join("\n")];
}

function placeOf({
  leaves,
  host,
  destination,
  problem,
}: Pick<Egress, "leaves" | "host" | "problem"> & {
  readonly destination: { readonly address: string | null } | null;
}): string {
  switch (leaves) {
    case "another machine":
      return `${String(host)}: ${String(destination?.address)}`;
    case "this machine only":
      return `stays on this machine: ${String(destination?.address)}`;
    case "this process only":
      return "stays in the process: the model runs there";
    case "nothing now":
      return `nowhere now: ${String(problem)}`;
    case "not known":
      return `not known: ${String(problem)}`;
  }
}

/** Their names alone: a value may say who you are. */
function fieldsOf({ document, query }: NonNullable<Egress["destination"]>["fields"]): string {
  const [texts, questions] = [document.join(", "), query.join(", ")];
  if (texts === questions) return texts;
  return `with texts ${texts || "none"}; with questions ${questions || "none"}`;
}

function describeUsage({ requests, tokens, rows }: SentUsage): string {
  return `${requests} requests, ${tokens} tokens, ${rows} rows`;
}
