import { sql } from "kysely";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { roleSearchPath } from "../database/session-settings.ts";
import { SetupError, UsageError } from "../errors.ts";
import { openProvider } from "../providers/open-provider.ts";
import { createChunksTable } from "./chunks-table.ts";
import { chunkSettings, type ChunkSettings, type ChunkOptions } from "../chunks/chunk-settings.ts";
import { sourceSettings, type SourceSettings } from "../providers/source-settings.ts";
import { resolveProviderSettings } from "../providers/resolve-provider-settings.ts";
import type { TableName } from "../sources/source.ts";
import { explainRefusal } from "./explain-refusal.ts";
import { findTable, type FoundTable } from "./find-table.ts";
import { lockWatchedTableFirst, withTableLock } from "../database/with-table-lock.ts";
import { createVectorTable, createVectorView, findVectorTable, type VectorTable } from "./vector-table.ts";
import {
  columnType,
  findVectorColumn,
  vectorTypeFor,
  type VectorColumn,
  type VectorType,
} from "./vector-column.ts";

export interface WatchOptions {
  /** As SQL writes it, or its exact spelling: `tickets`, `public.tickets`, `"Support"."Tickets"`. */
  readonly table: string;
  /** A column, or an SQL expression over the table's columns: `title || ' ' || body`. */
  readonly text: string;
  /** Columns that tell one row from another; the primary key where not given. */
  readonly key?: readonly string[] | undefined;
  /** The column that receives the vector, added where it is missing; `embedding` where not given. */
  readonly vector?: string | undefined;
  /**
   * A table to keep the vectors in, made where it is missing: its key refers to the watched table's, and a view joins
   * the two. Named as `table` is, without a schema in that one's schema. The watched table itself where not given.
   */
  readonly into?: string | undefined;
  /**
   * Cuts the text into passages of at most that length, which are kept in `into` with a vector each. `overlap` is an
   * eighth of it, and `unit` is `characters`, where not given.
   */
  readonly passages?: ChunkOptions | undefined;
  /** Of the column that is added; `vector` up to 2,000 dimensions and `halfvec` above where not given. */
  readonly type?: VectorType | undefined;
  /** What commands and messages call it; the table's name where not given. */
  readonly name?: string | undefined;
  readonly backend?: "llm_api" | "ollama" | "local" | undefined;
  readonly model?: string | undefined;
  readonly dimensions?: number | undefined;
  /** What the provider of this source has of its own. */
  readonly settings?: SourceSettings | undefined;
}

export interface Watched {
  /** The source's name. */
  readonly name: string;
  /** Qualified and quoted. */
  readonly table: string;
  readonly key: readonly string[];
  /** SQL over the table's columns. */
  readonly text: string;
  readonly vector: VectorColumn;
  readonly columnAdded: boolean;
  /** Qualified and quoted; null where the vectors are in the watched table. */
  readonly into: string | null;
  /** How the text is cut into the passages of `into`; null where it is embedded whole. */
  readonly passages: ChunkSettings | null;
  /** The view that joins the watched table and its vectors, qualified and quoted; null where there is nothing to join. */
  readonly view: string | null;
}

/**
 * Watches a text of a table, from now on: every change of it is queued. Rows that are there already wait for a
 * backfill. Called again with the same name, it changes the source. All of it happens or nothing.
 * @throws {SetupError} where it cannot be watched, with what to do.
 */
export async function watch(db: Database, config: Config, options: WatchOptions): Promise<Watched> {
  if (options.passages !== undefined && options.into === undefined) {
    throw new UsageError(
      "Passages need a table of their own.",
      "Such as: --into documents_passages --chunk 800",
    );
  }
  const passages = options.passages === undefined ? null : chunkSettings(options.passages);
  const table = await findTable(db, options.table);
  const vectors = options.into === undefined ? undefined : await findVectorTable(db, options.into, table);
  const existing = await existingColumn(db, table, vectors, options.vector ?? "embedding");
  checkAgainst(existing, vectors ?? table, options);
  const column = existing ?? (await plannedColumn(config, options));
  try {
    return await withTableLock(db, async (transaction) => {
      // The view that is made compares keys by the operators that their types have.
      await sql`select ${roleSearchPath}, autoembed.check_table(${table.oid}::oid::regclass)`.execute(
        transaction,
      );
      if (vectors?.oid === null) {
        const create = passages === null ? createVectorTable : createChunksTable;
        await create(transaction, table, vectors, options.key, column);
      } else if (existing === undefined) {
        if (vectors !== undefined) await lockWatchedTableFirst(transaction, table, "access exclusive");
        const { schema, table: name } = vectors ?? table;
        await sql`alter table ${sql.id(schema, name)}
          add column ${sql.id(column.name)} ${await columnType(transaction, column)}`.execute(transaction);
      }
      const watched = await callEmbedWatch(transaction, table, vectors, column, options, passages);
      const view =
        vectors === undefined || passages !== null
          ? null
          : await createVectorView(transaction, table, vectors, watched.key, column.name);
      return { ...watched, vector: column, columnAdded: existing === undefined, passages, view };
    });
  } catch (error) {
    throw explainRefusal(error, "watch");
  }
}

async function existingColumn(
  db: Database,
  table: FoundTable,
  vectors: VectorTable | undefined,
  name: string,
): Promise<VectorColumn | undefined> {
  if (vectors === undefined) return await findVectorColumn(db, table, name);
  const { oid, ...rest } = vectors;
  return oid === null ? undefined : await findVectorColumn(db, { oid, ...rest }, name);
}

async function callEmbedWatch(
  db: Database,
  table: FoundTable,
  vectors: VectorTable | undefined,
  column: VectorColumn,
  options: WatchOptions,
  passages: ChunkSettings | null,
): Promise<Pick<Watched, "name" | "table" | "key" | "text" | "into">> {
  const hasOwnModel = options.backend !== undefined || options.model !== undefined;
  const { rows } = await sql<{
    name: string;
    table: string;
    key: string[];
    text: string;
    into: string | null;
  }>`
    select name, watched_table::text as table, key_columns as key, text_expression as text, vector_table::text as into
    from autoembed.watch(
      watched_table => ${table.oid}::oid::regclass,
      text_expression => ${options.text},
      key_columns => ${options.key ?? null}::text[],
      vector_column => ${column.name},
      source_name => ${options.name ?? null},
      backend => ${options.backend ?? null},
      model => ${options.model ?? null},
      dimensions => ${options.dimensions ?? (hasOwnModel ? column.dimensions : null)}::int,
      settings => ${JSON.stringify(sourceSettings(options.settings ?? {}))}::jsonb,
      vector_table => ${vectors === undefined ? sql`null` : sql`format('%I.%I', ${vectors.schema}::text, ${vectors.table}::text)::regclass`},
      passages => ${passages === null ? null : JSON.stringify(passages)}::jsonb)`.execute(db);
  const [watched] = rows;
  if (watched === undefined) throw new Error("autoembed.watch() gave no source");
  return watched;
}

function checkAgainst(
  column: VectorColumn | undefined,
  { schema, table }: TableName,
  { type, dimensions }: WatchOptions,
): void {
  if (column === undefined) return;
  const isOther = (asked: unknown, is: unknown): boolean =>
    asked !== undefined && is !== null && asked !== is;
  if (isOther(type, column.type) || isOther(dimensions, column.dimensions)) {
    throw new SetupError(
      `Column ${column.name} of ${schema}.${table} is there already, as ${column.type}(${String(column.dimensions)}).`,
      "Leave out --type and --dim, or name another column with --vector. To change the model, see `npm run remodel`.",
    );
  }
}

async function plannedColumn(config: Config, options: WatchOptions): Promise<VectorColumn> {
  const dimensions = options.dimensions ?? (await dimensionsOf(config, options));
  const type = options.type ?? vectorTypeFor(dimensions);
  if (type === "vector" && dimensions > 16_000) {
    throw new UsageError(
      `A vector has at most 16,000 dimensions, not ${dimensions}.`,
      "Give --dim a smaller number.",
    );
  }
  return { name: options.vector ?? "embedding", type, dimensions };
}

/** Asks the provider: what it makes is what the column must take. */
async function dimensionsOf(config: Config, options: WatchOptions): Promise<number> {
  const wishes = {
    backend: options.backend ?? null,
    model: options.model ?? null,
    dimensions: null,
    settings: options.settings ?? {},
  };
  const hasOwnModel = options.backend !== undefined || options.model !== undefined;
  if (!hasOwnModel && config.EMBEDDING_DIM !== undefined) return config.EMBEDDING_DIM;
  const provider = await openProvider(
    resolveProviderSettings(hasOwnModel ? { ...config, EMBEDDING_DIM: undefined } : config, wishes),
  );
  await provider.close();
  return provider.dimensions;
}
