import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { quote, quoted } from "../database/identifier.ts";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { findTable } from "../watch/find-table.ts";
import { chooseOne } from "./choose-one.ts";
import { columnsOf, hasTable, triggersOf } from "./foreign-triggers.ts";
import type { Found, Hints, Kept } from "./found.ts";
import { textOfTemplate } from "./text-of-template.ts";

/** A row of `ai.vectorizer`, of any version of pgai: what older ones lack is null. */
interface Vectorizer {
  readonly id: number;
  readonly name: string | null;
  readonly disabled: boolean | null;
  readonly source_schema: string;
  readonly source_table: string;
  readonly source_pk: readonly { readonly attname: string; readonly pknum?: number }[];
  readonly target_schema: string | null;
  readonly target_table: string | null;
  readonly trigger_name: string;
  readonly queue_schema: string | null;
  readonly queue_table: string | null;
  /** The rows that its worker has given up. */
  readonly queue_failed_table?: string | null;
  readonly config: Config;
}

type Part = Readonly<Record<string, string | number | undefined>>;

interface Config {
  readonly loading?: Part;
  readonly parsing?: Part;
  readonly embedding?: Part;
  readonly chunking?: Part;
  readonly formatting?: Part;
  readonly destination?: Part;
}

/** A vectorizer of pgai: https://github.com/timescale/pgai, `ai.vectorizer`. */
export async function findPgai(db: Database, hints: Hints): Promise<Found> {
  const all = (await hasTable(db, "ai.vectorizer")) ? await readVectorizers(db) : [];
  const vectorizer = chooseOne(all.map(named), hints.name, "pgai", "vectorizer of pgai");
  const { config, trigger_name: trigger } = vectorizer;
  const table = await findTable(
    db,
    quoted({ schema: vectorizer.source_schema, table: vectorizer.source_table }),
  );
  refuseFiles(vectorizer);
  const kept = await keptBy(db, vectorizer);
  const key = keyOf(vectorizer);
  return {
    tool: "pgai",
    name: vectorizer.name,
    table,
    text: hints.text ?? textOf(vectorizer, kept),
    key: hints.key ?? key,
    kept,
    model:
      [config.embedding?.["implementation"], config.embedding?.["model"]].filter(Boolean).join(" ") || null,
    triggers: await triggersOf(db, table, sql`g.tgname in (${trigger}, ${`${trigger}_truncate`})`),
    triggersGoOn: kept.as !== "column",
    workers: vectorizer.disabled === false ? { vectorizer: vectorizer.id } : {},
    outdated: [
      ...(await queued(db, vectorizer.queue_schema, vectorizer.queue_table, key)),
      ...(await queued(db, vectorizer.queue_schema, vectorizer.queue_failed_table ?? null, key)),
    ],
    notes: notesOn(vectorizer, kept),
  };
}

async function readVectorizers(db: Database): Promise<Vectorizer[]> {
  const { rows } = await sql<{ vectorizer: Vectorizer }>`
    select to_jsonb(v) as vectorizer from ai.vectorizer v order by v.id`.execute(db);
  return rows.map(({ vectorizer }) => vectorizer);
}

/** As `ai.create_vectorizer` names it by default; before 0.10 it had none. */
function named(vectorizer: Vectorizer): Vectorizer & { readonly name: string } {
  return { ...vectorizer, name: vectorizer.name ?? String(vectorizer.id) };
}

function keyOf({ source_pk: columns }: Vectorizer): string[] {
  return columns.toSorted((a, b) => (a.pknum ?? 0) - (b.pknum ?? 0)).map(({ attname }) => attname);
}

function refuseFiles({ name, config }: Vectorizer): void {
  const { loading, parsing } = config;
  const isFile =
    loading?.["implementation"] === "uri" ||
    !["auto", "none", undefined].includes(String(parsing?.["implementation"] ?? "none"));
  if (!isFile) return;
  throw new SetupError(
    `The vectorizer ${String(name)} reads files, and pg-autoembed embeds texts that are in the table.`,
    "Keep the text of each file in a column, and watch that.",
  );
}

function templateOf({ config }: Vectorizer): string {
  return String(config.formatting?.["template"] ?? "$chunk");
}

async function keptBy(db: Database, vectorizer: Vectorizer): Promise<Kept> {
  const { destination = {}, chunking = {} } = vectorizer.config;
  if (destination["implementation"] === "column")
    return { as: "column", column: String(destination["embedding_column"]) };
  const from = await findTable(
    db,
    quoted({
      schema: String(destination["target_schema"] ?? vectorizer.target_schema),
      table: String(destination["target_table"] ?? vectorizer.target_table),
    }),
  );
  return chunking["implementation"] === "none"
    ? { as: "copy", from, column: "embedding", ofText: "chunk" }
    : {
        as: "chunks",
        from,
        column: "embedding",
        chunk: "chunk",
        length: Number(chunking["chunk_size"] ?? 800),
      };
}

/** The text that is sent: the loaded column, formatted. A template around each chunk is none of the text's. */
function textOf(vectorizer: Vectorizer, kept: Kept): string {
  const { name, config } = vectorizer;
  const { loading, chunking } = config;
  // Before loading was a part of its own, the column was named by the chunking.
  const column = String(loading?.["column_name"] ?? chunking?.["chunk_column"]);
  const template = templateOf(vectorizer);
  if (kept.as === "chunks" && template !== "$chunk") {
    throw new SetupError(
      `The vectorizer ${String(name)} sends each chunk in a template (${JSON.stringify(template)}), and pg-autoembed sends chunks as they are: none of its vectors can be taken over.`,
      `Watch the table instead: ${invocation("watch", [`${vectorizer.source_schema}.${vectorizer.source_table}`, "--text", column, "--into", `${vectorizer.source_table}_chunks`, "--chunk", String(chunking?.["chunk_size"] ?? 800)])}`,
    );
  }
  if (template === "$chunk") return column;
  const text = textOfTemplate(template, quote(column));
  if (text !== undefined) return text;
  throw new SetupError(
    `The template of the vectorizer ${String(name)} cannot be written as SQL: ${JSON.stringify(template)}.`,
    `Give what it makes over the columns: --text "title || ' ' || body"`,
  );
}

/** The rows that wait for its worker, or that it has given up: their vectors are of an old text, or missing. */
async function queued(
  db: Database,
  schema: string | null,
  table: string | null,
  key: readonly string[],
): Promise<RawBuilder<unknown>[]> {
  if (schema === null || table === null) return [];
  const columns = await columnsOf(db, quoted({ schema, table }));
  if (!key.every((column) => columns.includes(column))) return [];
  const texts = sql.join(key.map((column) => sql`q.${sql.id(column)}::text`));
  const queuedKey = key.length === 1 ? texts : sql`jsonb_build_array(${texts})::text`;
  return [sql`select ${queuedKey} as key from ${sql.id(schema, table)} q`];
}

function notesOn(vectorizer: Vectorizer, kept: Kept): string[] {
  const { id, disabled } = vectorizer;
  return [
    ...(disabled === null
      ? ["This version of pgai has no switch for one vectorizer: stop its worker before you adopt."]
      : []),
    ...(kept.as === "chunks"
      ? [
          "pgai cuts texts at other places than pg-autoembed: only a chunk that comes out the same takes its vector, such as a text that is one chunk. All others are embedded again.",
        ]
      : []),
    ...(kept.as === "column"
      ? []
      : [
          `pgai's own table of vectors stays as it is. Queries of its view are to be changed; when none is left: select ai.drop_vectorizer(${id}, drop_all => true);`,
        ]),
  ];
}
