import { UsageError } from "../errors.ts";
import { describeChunking } from "../chunks/chunk-settings.ts";
import { invocation } from "../invocation.ts";
import { watch as watchTable, type Watched } from "../watch/watch.ts";
import { BACKEND_IDS } from "../providers/known-backends.ts";
import { oneOf, parseCommand, wholeNumber, type Command } from "./command.ts";
import { refuseUnheeded } from "./options-together.ts";
import { backendOption, providerSettings, PROVIDER_USAGE } from "./provider-options.ts";
import { chunkOptions, WATCH_OPTIONS } from "./watch-options.ts";
import { withDatabase } from "./with-database.ts";
import { sources } from "./sources.ts";

export const watch: Command = {
  usage: invocation(
    "watch",
    `TABLE --text COLUMN|EXPRESSION [--key COLUMN]... [--vector embedding] [--into TABLE [--chunk N [--overlap N] [--unit characters|tokens]]] [--tenant COLUMN] [--type vector|halfvec] [--dim N] [--name NAME] [--backend ${BACKEND_IDS.join("|")}] [--model MODEL] ${PROVIDER_USAGE} [--json] | --list`,
  ),
  summary: "keep a vector of any table's text; a missing vector column, or table for the vectors, is created",
  options: WATCH_OPTIONS,
  examples: [
    [invocation("watch", "public.tickets --text body"), "a column of a table with a primary key"],
    [
      invocation("watch", `documents --text "title || ' ' || body" --into documents_chunks --chunk 800`),
      "long texts, in chunks in a table of their own",
    ],
  ],
  async run(args) {
    const { values, positionals } = parseCommand(watch, args, {
      allowPositionals: true,
      options: WATCH_OPTIONS,
    });
    refuseUnheeded(watch, values, "list", ["json"]);
    if (values.list) return await sources.run([...(values.json ? ["--json"] : []), ...positionals]);
    const [table, ...rest] = positionals;
    const { text } = values;
    if (table === undefined || rest.length > 0 || text === undefined) {
      throw new UsageError(
        "Name one table, and its text with --text.",
        `Such as: ${invocation("watch", "public.tickets --text body")}\nUsage: ${watch.usage}`,
      );
    }
    const options = {
      table,
      text,
      key: values.key?.flatMap((columns) => columns.split(",")),
      vector: values.vector,
      into: values.into,
      chunks: chunkOptions(values),
      tenant: values.tenant,
      type: oneOf("--type", values.type, ["vector", "halfvec"]),
      dimensions: values.dim === undefined ? undefined : wholeNumber("--dim", values.dim),
      name: values.name,
      backend: backendOption(values.backend),
      model: values.model,
      settings: providerSettings(values),
    };
    return await withDatabase(async (db, config) => {
      const watched = await watchTable(db, config, options);
      console.log(values.json ? JSON.stringify(watched) : describe(watched));
      return 0;
    });
  },
};

function describe({
  name,
  table,
  key,
  text,
  vector,
  columnAdded,
  into,
  view,
  chunks,
  tenant,
}: Watched): string {
  const type = `${vector.type}${vector.dimensions === null ? "" : `(${vector.dimensions})`}`;
  return [
    `${name}: ${text} of ${table} is watched, by the key ${key.join(", ")}; the vector goes to ${into === null ? "" : `${into}, column `}${vector.name} ${type}${columnAdded ? ", which was added" : ""}.`,
    ...(chunks === null
      ? []
      : [
          `Each text is cut ${describeChunking(chunks)}. To cut existing texts again, add --all to the backfill.`,
        ]),
    ...(tenant === null
      ? []
      : [
          `Tenants, by the column ${tenant}, are embedded in turn: the many changes of one delay no other's.`,
        ]),
    ...(view === null ? [] : [`Rows with their vectors: select * from ${view};`]),
    `To embed existing rows: ${invocation("backfill", ["--source", name])}`,
    `To index the vectors for searches, after that: ${invocation("index", [name])}`,
  ].join("\n");
}
