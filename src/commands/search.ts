import { sql } from "kysely";
import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { printable } from "../printable.ts";
import type { SearchResult } from "../search/search-options.ts";
import { openSearcher } from "../search/open-searcher.ts";
import { placeOfSource } from "../status/egress.ts";
import { JSON_OPTION, parseCommand, wholeNumber, type Command, type Options } from "./command.ts";
import { refuseTogether } from "./options-together.ts";
import { withDatabase } from "./with-database.ts";

const OPTIONS = {
  source: { type: "string", value: "NAME", about: "searches this source" },
  limit: { type: "string", value: "N", default: "10", about: "the most rows that are shown" },
  where: {
    type: "string",
    value: "SQL",
    about: "a condition over the table's columns; never pass it a user's input",
  },
  hybrid: {
    type: "boolean",
    default: false,
    about: "ranks by words too, also where these have no index: each text is then parsed",
  },
  meaning: {
    type: "boolean",
    default: false,
    about: "ranks by meaning alone, also where the words have an index",
  },
  language: {
    type: "string",
    value: "NAME",
    about: "the text search configuration of the words; by default that of their index",
  },
  like: { type: "string", value: "KEY", about: "finds rows like this one, in place of a question" },
  rerank: {
    type: "boolean",
    default: false,
    about:
      "sends the texts of the 50 best rows to the reranker of the settings, and orders them by its scores",
  },
  text: { type: "boolean", default: false, about: "shows the beginning of each text" },
  json: JSON_OPTION,
} as const satisfies Options;

export const search: Command = {
  usage: invocation(
    "search",
    '"QUERY" [--source NAME] [--limit 10] [--where SQL] [--hybrid | --meaning] [--language NAME] [--like KEY] [--rerank] [--text] [--json]',
  ),
  summary:
    "find the nearest rows by meaning, and by words where these have an index; --where filters by the table's columns; --text shows texts",
  options: OPTIONS,
  examples: [
    [
      invocation("search", '"cannot log in" --source tickets --text'),
      "the ten nearest tickets, with their texts",
    ],
    [
      invocation("search", `"error 504" --hybrid --where "status = 'open'"`),
      "by meaning and by words, among the open ones",
    ],
  ],
  async run(args) {
    const { values, positionals } = parseCommand(search, args, {
      allowPositionals: true,
      options: OPTIONS,
    });
    const query = positionals.join(" ").trim();
    const { like, where, text: withText, language } = values;
    if ((query === "") === (like === undefined))
      throw new UsageError("Say what to search for.", `Usage: ${search.usage}`);
    refuseTogether(search, values, ["hybrid", "meaning"]);
    refuseTogether(search, values, ["language", "meaning"]);
    // Rows like a row are found by meaning alone.
    for (const ofWords of ["hybrid", "language"] as const) refuseTogether(search, values, ["like", ofWords]);
    const limit = wholeNumber("--limit", values.limit);
    const hybrid = values.hybrid ? true : values.meaning ? false : undefined;
    return await withDatabase(async (db, config) => {
      const { searcher, close } = openSearcher(db, config);
      try {
        const { keyed, source } = await searcher.of(values.source);
        const condition = where === undefined ? undefined : () => sql`(${sql.raw(where)}\n)`;
        const question = like === undefined ? query : { like };
        const found = await searcher.search(values.source, question, {
          limit,
          condition,
          hybrid,
          language,
          withText,
          rerank: values.rerank,
        });
        if (values.json) {
          if (found.notice !== null) console.error(found.notice);
          console.log(JSON.stringify(found.hits.map(withoutEmpty)));
        } else console.log(describe(keyed.name, found));
        const { leaves } = await placeOfSource(config, source);
        if (leaves === "this process only" && found.rankedBy === "meaning" && !values.meaning)
          console.error(WEAK);
        return 0;
      } finally {
        await close();
      }
    });
  },
};

/** Without what this command cannot ask for. */
function withoutEmpty({ key, score, distance, text, chunk }: Found["hits"][number]): object {
  return { key, score, distance, text, chunk };
}

type Found = SearchResult<Record<string, unknown>>;

/** What the column that ranks the rows is called, and says. */
const RANKED_BY: Readonly<Record<Found["rankedBy"], readonly [column: string, says: string]>> = {
  meaning: ["distance", "by meaning: the cosine distance, 0 is nearest"],
  "meaning and words": ["score", "by meaning and words: 1 is best"],
  words: ["score", "by words: 1 is best"],
  reranker: ["score", "by the reranker: highest is best"],
};

const WEAK =
  "The local model is small: a row that fits may be far down. --hybrid ranks by words too; docs/providers.md has better models.";

const SHOWN_CHARACTERS = 90;

function describe(source: string, { hits, rankedBy, notice }: Found): string {
  const [column, says] = RANKED_BY[rankedBy];
  const width = Math.max(...hits.map(({ key }) => key.length), 3);
  const lines = hits.map(({ key, score, distance, text, chunk }) =>
    [
      printable(key).padStart(width),
      (column === "score" ? score : (distance ?? 0)).toFixed(4).padStart(8),
      chunk === undefined ? "" : `chunk ${chunk.number} (${chunk.start}-${chunk.end})`,
      text === null ? "" : beginning(text),
    ]
      .filter((cell) => cell !== "")
      .join("  ")
      .trimEnd(),
  );
  const table =
    hits.length === 0
      ? []
      : [`${"key".padStart(width)}  ${column.padStart(8)}  (${source}, ${says})`, ...lines];
  return [...(notice === null ? [] : [notice]), ...table].join("\n");
}

function beginning(text: string): string {
  const line = printable(text.replace(/\s+/g, " ").trim());
  return line.length > SHOWN_CHARACTERS ? `${line.slice(0, SHOWN_CHARACTERS - 1)}…` : line;
}
