import pg from "pg";
import { describeDatabaseError, harmlessMessage } from "../database/database-fault.ts";
import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { withProvider } from "../providers/registry.ts";
import { embedQuery } from "../search/embed-query.ts";
import { searchChosen } from "../search/search-source.ts";
import type { Neighbour } from "../search/searched-rows.ts";
import { chooseOne } from "../sources/choose-sources.ts";
import { parseCommand, wholeNumber, type Command, type Options } from "./command.ts";
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
    about: "ranks by words too: names, codes and doses are found by their letters",
  },
  language: {
    type: "string",
    value: "NAME",
    default: "english",
    about: "with --hybrid: the text search configuration",
  },
  text: { type: "boolean", default: false, about: "shows the beginning of each text" },
  json: { type: "boolean", default: false, about: "prints one JSON document, and nothing else on stdout" },
} as const satisfies Options;

export const search: Command = {
  usage: invocation(
    "search",
    '"QUERY" [--source NAME] [--limit 10] [--where SQL] [--hybrid [--language english]] [--text] [--json]',
  ),
  summary:
    "find the nearest rows by meaning; --hybrid also by words; --where filters by the table's columns; --text shows texts",
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
    if (query === "") throw new UsageError("Say what to search for.", `Usage: ${search.usage}`);
    const limit = wholeNumber("--limit", values.limit);
    return await withDatabase(async (db, config) => {
      const chosen = await chooseOne(db, values.source);
      const [source] = chosen.sources;
      if (source === undefined) throw new UsageError("There is nothing to search.", "Watch a table first.");
      const signal = AbortSignal.timeout(config.EMBEDDING_TIMEOUT);
      // The column says how long its vectors are, so that a search costs one request.
      const vector = await withProvider(
        config,
        source,
        { dimensions: source.columnDimensions, signal },
        (provider) => embedQuery(db, provider, query, signal),
      );
      const options = { limit, withText: values.text, where: values.where };
      const searching = searchChosen(
        db,
        chosen,
        vector,
        values.hybrid ? { ...options, query, language: values.language } : options,
      );
      const found = await searching.catch(explainRefusal);
      console.log(
        values.json ? JSON.stringify(found) : describe(chosen.chunked[0]?.name ?? source.name, found),
      );
      return 0;
    });
  },
};

/** The database's message is repeated only if it is about the SQL: a message about values could quote a text. */
function explainRefusal(error: unknown): never {
  if (!(error instanceof pg.DatabaseError)) throw error;
  const what = harmlessMessage(error) ?? describeDatabaseError(error);
  throw new UsageError(
    `The database refuses the search: ${what}.`,
    '--where is SQL over the table\'s own columns, such as "patient_id > 100"; --language names a text search configuration (\\dF in psql).',
    { cause: error },
  );
}

const SHOWN_CHARACTERS = 90;

function describe(source: string, found: readonly Neighbour[]): string {
  if (found.length === 0) return `${source} has no embedded rows yet: see ${invocation("status")}.`;
  const width = Math.max(...found.map(({ key }) => key.length), 3);
  const lines = found.map(({ key, distance, text, chunk }) =>
    [
      key.padStart(width),
      distance.toFixed(4).padStart(8),
      chunk === undefined ? "" : `chunk ${chunk.number} (${chunk.start}-${chunk.end})`,
      text === null ? "" : beginning(text),
    ]
      .filter((column) => column !== "")
      .join("  ")
      .trimEnd(),
  );
  return [`${"key".padStart(width)}  distance  (${source}, by cosine)`, ...lines].join("\n");
}

function beginning(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > SHOWN_CHARACTERS ? `${line.slice(0, SHOWN_CHARACTERS - 1)}…` : line;
}
