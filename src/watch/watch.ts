import { sql } from "kysely";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { SetupError, UsageError } from "../errors.ts";
import { openProvider } from "../providers/open-provider.ts";
import { ownSettings, type OwnSettings } from "../sources/own-settings.ts";
import { providerSettings } from "../sources/provider-settings.ts";
import { explainRefusal } from "./explain-refusal.ts";
import { findTable, type FoundTable } from "./find-table.ts";
import { patiently } from "./patiently.ts";
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
  /** Of the column that is added; `vector` up to 2,000 dimensions and `halfvec` above where not given. */
  readonly type?: VectorType | undefined;
  /** What commands and messages call it; the table's name where not given. */
  readonly name?: string | undefined;
  readonly backend?: "llm_api" | "ollama" | "local" | undefined;
  readonly model?: string | undefined;
  readonly dimensions?: number | undefined;
  /** What the provider of this source has of its own. */
  readonly settings?: OwnSettings | undefined;
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
}

/**
 * Watches a text of a table, from now on: every change of it is queued. Rows that are there already wait for a
 * backfill. Called again with the same name, it changes the source. All of it happens or nothing.
 * @throws {SetupError} where it cannot be watched, with what to do.
 */
export async function watch(db: Database, config: Config, options: WatchOptions): Promise<Watched> {
  const table = await findTable(db, options.table);
  const existing = await findVectorColumn(db, table, options.vector ?? "embedding");
  checkAgainst(existing, table, options);
  const column = existing ?? (await plannedColumn(config, options));
  try {
    return await patiently(db, async (transaction) => {
      await sql`select embed_check_table(${table.oid}::oid::regclass)`.execute(transaction);
      if (existing === undefined) {
        await sql`alter table ${sql.id(table.schema, table.table)}
          add column ${sql.id(column.name)} ${columnType(column)}`.execute(transaction);
      }
      return await callEmbedWatch(transaction, table, column, options, existing === undefined);
    });
  } catch (error) {
    throw explainRefusal(error, "watch");
  }
}

async function callEmbedWatch(
  db: Database,
  table: FoundTable,
  column: VectorColumn,
  options: WatchOptions,
  columnAdded: boolean,
): Promise<Watched> {
  const hasOwnModel = options.backend !== undefined || options.model !== undefined;
  const { rows } = await sql<{ name: string; table: string; key: string[]; text: string }>`
    select name, watched_table::text as table, key_columns as key, text_expression as text
    from embed_watch(
      watched_table => ${table.oid}::oid::regclass,
      text_expression => ${options.text},
      key_columns => ${options.key ?? null}::text[],
      vector_column => ${column.name},
      source_name => ${options.name ?? null},
      backend => ${options.backend ?? null},
      model => ${options.model ?? null},
      dimensions => ${options.dimensions ?? (hasOwnModel ? column.dimensions : null)}::int,
      settings => ${JSON.stringify(ownSettings(options.settings ?? {}))}::jsonb)`.execute(db);
  const [watched] = rows;
  if (watched === undefined) throw new Error("embed_watch() gave no source");
  return { ...watched, vector: column, columnAdded };
}

function checkAgainst(
  column: VectorColumn | undefined,
  { schema, table }: FoundTable,
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
    providerSettings(hasOwnModel ? { ...config, EMBEDDING_DIM: undefined } : config, wishes),
  );
  await provider.close();
  return provider.dimensions;
}
