import { sql } from "kysely";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { roleSearchPath } from "../database/session-settings.ts";
import { UsageError } from "../errors.ts";
import { backendOf, type BackendName } from "../providers/known-backends.ts";
import { createChunksTable } from "./chunks-table.ts";
import { chunkSettings, type ChunkSettings, type ChunkOptions } from "../chunks/chunk-settings.ts";
import { requireIdentity } from "../sources/replica-identity.ts";
import { respellKeysOfTable } from "../sources/respell-keys.ts";
import { sourceSettings, type SourceSettings } from "../providers/source-settings.ts";
import { explainRefusal } from "./explain-refusal.ts";
import { findTable, type FoundTable } from "./find-table.ts";
import { lockWatchedTableFirst, withTableLock } from "../database/with-table-lock.ts";
import { createVectorTable, createVectorView, findVectorTable, type VectorTable } from "./vector-table.ts";
import { markAsMade } from "./made-by-us.ts";
import { plannedColumn, refuseAnother } from "./planned-column.ts";
import { columnType, findVectorColumn, type VectorColumn, type VectorType } from "./vector-column.ts";

export interface WatchOptions {
  /** The table's name in SQL, or its exact spelling: `tickets`, `public.tickets`, `"Support"."Tickets"`. */
  readonly table: string;
  /** A column, or an SQL expression over the table's columns: `title || ' ' || body`. */
  readonly text: string;
  /** Columns that identify a row; the primary key by default. */
  readonly key?: readonly string[] | undefined;
  /** The column that receives the vector; added if it is missing. `embedding` by default. */
  readonly vector?: string | undefined;
  /**
   * A separate table for the vectors; created if it is missing. Its key refers to the watched table's key, and a view
   * joins the two. Named like `table`; without a schema, it is in the watched table's schema. By default the vectors are
   * in the watched table.
   */
  readonly into?: string | undefined;
  /**
   * Cuts the text into chunks of at most the given length, which are kept in `into` with one vector each. By default,
   * `overlap` is an eighth of the length and `unit` is `characters`.
   */
  readonly chunks?: ChunkOptions | undefined;
  /**
   * The column that tells whose row it is: tenants with changes pending are embedded in turn, so that the many of one delay
   * no other's. By default a source has no tenants.
   */
  readonly tenant?: string | undefined;
  /** The type of an added column; by default `vector` up to 2,000 dimensions and `halfvec` above. */
  readonly type?: VectorType | undefined;
  /** The source's name in commands and messages; the table's name by default. */
  readonly name?: string | undefined;
  readonly backend?: BackendName | undefined;
  readonly model?: string | undefined;
  readonly dimensions?: number | undefined;
  /** Settings of this source's provider that replace the environment's. */
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
  /** Qualified and quoted; null if the vectors are in the watched table. */
  readonly into: string | null;
  /** How the text is cut into the chunks of `into`; null if it is embedded whole. */
  readonly chunks: ChunkSettings | null;
  /** The column of the tenants, whose changes are embedded in turn; null if there is none. */
  readonly tenant: string | null;
  /** The view that joins the watched table and its vectors, qualified and quoted; null if there is none. */
  readonly view: string | null;
}

/** What `watch` has found before it takes a lock. */
export interface PreparedWatch {
  readonly options: WatchOptions;
  readonly table: FoundTable;
  readonly vectors: VectorTable | undefined;
  readonly chunks: ChunkSettings | null;
  readonly existing: VectorColumn | undefined;
  readonly column: VectorColumn;
}

/**
 * Watches a text of a table: from now on every change of it is queued. Existing rows wait for a backfill. A second call
 * with the same name changes the source. It runs in one transaction.
 * @throws {SetupError} if the text cannot be watched; the error says what to do.
 */
export async function watch(db: Database, config: Config, options: WatchOptions): Promise<Watched> {
  const prepared = await prepareWatch(db, config, options);
  try {
    return await withTableLock(db, (transaction) => watchPrepared(transaction, prepared));
  } catch (error) {
    throw explainRefusal(error, "watch");
  }
}

/** Looks at what is there; asks the provider for the length of its vectors where nothing else says it. @throws {SetupError} */
export async function prepareWatch(
  db: Database,
  config: Config,
  options: WatchOptions,
): Promise<PreparedWatch> {
  if (options.chunks !== undefined && options.into === undefined) {
    throw new UsageError("Chunks need a table of their own.", "Such as: --into documents_chunks --chunk 800");
  }
  const chunks = options.chunks === undefined ? null : chunkSettings(options.chunks);
  const table = await findTable(db, options.table);
  if (options.key !== undefined) await respellKeysOfTable(db, table.oid);
  const vectors = options.into === undefined ? undefined : await findVectorTable(db, options.into, table);
  const existing = await existingColumn(db, table, vectors, options.vector ?? "embedding");
  if (existing !== undefined) await refuseAnother(db, existing, vectors ?? table, options);
  const column = existing ?? (await plannedColumn(config, options));
  return { options, table, vectors, chunks, existing, column };
}

/** A part of the caller's transaction, by `withTableLock`. @throws {pg.DatabaseError} for `explainRefusal` */
export async function watchPrepared(
  transaction: Database,
  { options, table, vectors, chunks, existing, column }: PreparedWatch,
): Promise<Watched> {
  // The view that is made compares keys by the operators that their types have.
  await sql`select ${roleSearchPath}, autoembed.check_table(${table.oid}::oid::regclass)`.execute(
    transaction,
  );
  const { oid, schema, table: receiver } = vectors ?? table;
  if (oid !== null) await requireIdentity(transaction, { oid, schema, table: receiver });
  if (vectors?.oid === null) {
    const create = chunks === null ? createVectorTable : createChunksTable;
    await create(transaction, table, vectors, options.key, column);
  } else if (existing === undefined) {
    if (vectors !== undefined) await lockWatchedTableFirst(transaction, table, "access exclusive");
    const { schema, table: name } = vectors ?? table;
    await sql`alter table ${sql.id(schema, name)}
      add column ${sql.id(column.name)} ${await columnType(transaction, column)}`.execute(transaction);
    await markAsMade(
      transaction,
      "column",
      sql.id(schema, name, column.name),
      "the vector of each row's text.",
    );
  }
  const watched = await callWatch(transaction, table, vectors, column, options, chunks);
  const view =
    vectors === undefined || chunks !== null
      ? null
      : await createVectorView(transaction, table, vectors, watched.key, column.name);
  return { ...watched, vector: column, columnAdded: existing === undefined, chunks, view };
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

async function callWatch(
  db: Database,
  table: FoundTable,
  vectors: VectorTable | undefined,
  column: VectorColumn,
  options: WatchOptions,
  chunks: ChunkSettings | null,
): Promise<Pick<Watched, "name" | "table" | "key" | "text" | "into" | "tenant">> {
  const hasOwnModel = options.backend !== undefined || options.model !== undefined;
  const { rows } = await sql<{
    name: string;
    table: string;
    key: string[];
    text: string;
    into: string | null;
    tenant: string | null;
  }>`
    select name, watched_table::text as table, key_columns as key, text_expression as text, vector_table::text as into,
      tenant_column as tenant
    from autoembed.watch(
      watched_table => ${table.oid}::oid::regclass,
      text_expression => ${options.text},
      key_columns => ${options.key ?? null}::text[],
      vector_column => ${column.name},
      source_name => ${options.name ?? null},
      backend => ${options.backend === undefined ? null : backendOf(options.backend).id},
      model => ${options.model ?? null},
      dimensions => ${options.dimensions ?? (hasOwnModel ? column.dimensions : null)}::int,
      settings => ${JSON.stringify(sourceSettings(options.settings ?? {}))}::jsonb,
      vector_table => ${vectors === undefined ? sql`null` : sql`format('%I.%I', ${vectors.schema}::text, ${vectors.table}::text)::regclass`},
      passages => ${chunks === null ? null : JSON.stringify(chunks)}::jsonb,
      tenant => ${options.tenant ?? null})`.execute(db);
  const [watched] = rows;
  if (watched === undefined) throw new Error("autoembed.watch() returned no source");
  return watched;
}
