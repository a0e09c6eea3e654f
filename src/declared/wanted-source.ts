import { sql } from "kysely";
import { chunkSettings, type ChunkSettings } from "../chunks/chunk-settings.ts";
import type { Database } from "../database/connect.ts";
import { quote, quoted } from "../database/identifier.ts";
import { SetupError } from "../errors.ts";
import { nearestName } from "../nearest-name.ts";
import { backendIdOf, backendOf } from "../providers/known-backends.ts";
import type { ProviderOverrides } from "../providers/resolve-provider-settings.ts";
import { explainRefusal } from "../watch/explain-refusal.ts";
import { findTable, type FoundTable } from "../watch/find-table.ts";
import { findVectorTable, type VectorTable } from "../watch/vector-table.ts";
import type { WatchOptions } from "../watch/watch.ts";
import type { DeclaredSource } from "./declared-source.ts";
import type { PresentSource } from "./present-source.ts";

/** A declared source, with what the catalog says of its names. */
export interface WantedSource {
  readonly declared: DeclaredSource;
  readonly name: string;
  readonly table: FoundTable;
  readonly key: readonly string[];
  /** SQL over the table's columns, as the database keeps it. */
  readonly text: string;
  readonly vector: string;
  readonly into: VectorTable | null;
  readonly chunks: ChunkSettings | null;
  readonly tenant: string | null;
  /** What it has of its own in place of the environment's provider. */
  readonly overrides: ProviderOverrides;
}

/** @throws {SetupError} if it cannot be watched as it is declared; the error says what to do */
export async function findWanted(
  db: Database,
  declared: DeclaredSource,
  present: readonly PresentSource[],
): Promise<WantedSource> {
  const table = await findTable(db, declared.table);
  const into = declared.into === undefined ? null : await findVectorTable(db, declared.into, table);
  const { chunk, overlap, unit, dimensions, backend, model, settings } = declared;
  const { name, key } = await checkedNames(db, table, declared);
  return {
    declared,
    name,
    table,
    key,
    text: await textOf(
      db,
      table,
      declared,
      present.find((source) => source.name === name),
    ),
    vector: declared.vector ?? "embedding",
    into,
    chunks: chunk === undefined ? null : chunkSettings({ chunk, overlap, unit }),
    tenant: declared.tenant ?? null,
    overrides: {
      backend: backend === undefined ? null : backendOf(backend).id,
      model: model ?? null,
      dimensions: dimensions ?? null,
      settings: settings ?? {},
    },
  };
}

async function checkedNames(
  db: Database,
  { oid }: FoundTable,
  { name, key, tenant }: DeclaredSource,
): Promise<{ readonly name: string; readonly key: readonly string[] }> {
  const columns = typeof key === "string" ? [key] : (key ?? null);
  const { rows } = await sql<{ name: string; key: string[] }>`
    select autoembed.check_table(t.oid::regclass), autoembed.check_key(t.oid::regclass, t.key),
      autoembed.check_key_types(t.oid::regclass, t.key), autoembed.check_tenant(t.oid::regclass, ${tenant ?? null}), t.key,
      coalesce(${name ?? null}, autoembed.default_name(t.oid::regclass)) as name
    from (select ${oid}::oid as oid, coalesce(${columns}::text[], autoembed.primary_key(${oid}::oid::regclass)) as key) t`
    .execute(db)
    .catch((error: unknown) => {
      throw explainRefusal(error, "watch");
    });
  const [found] = rows;
  if (found === undefined) throw new Error("the catalog gave no row about a table");
  return { name: found.name, key: found.key };
}

/** The text as the database keeps it. One that it has already is not checked again. */
async function textOf(
  db: Database,
  table: FoundTable,
  { text, columns }: DeclaredSource,
  present: PresentSource | undefined,
): Promise<string> {
  const given = text ?? (await textOfColumns(db, table, columns));
  const isSameTable = String(present?.oid) === table.oid;
  if (isSameTable && present?.text === given) return given;
  if (isSameTable && present?.textIsColumn === true && present.text === quote(given)) return present.text;
  const { rows } = await sql<{ text: string }>`
    select autoembed.find_text(${table.oid}::oid::regclass, ${given}) as text`
    .execute(db)
    .catch((error: unknown) => {
      throw explainRefusal(error, "watch");
    });
  return rows[0]?.text ?? given;
}

/** One column as it is; several one below the other, without those that are null. @throws {SetupError} if there is no such column. */
async function textOfColumns(
  db: Database,
  { oid, ...table }: FoundTable,
  columns: readonly string[],
): Promise<string> {
  const { rows } = await sql<{ name: string }>`
    select attname::text as name from pg_attribute where attrelid = ${oid}::oid and attnum > 0 and not attisdropped`.execute(
    db,
  );
  const known = rows.map(({ name }) => name);
  const missing = columns.find((column) => !known.includes(column));
  if (missing !== undefined) {
    const nearest = nearestName(missing, known);
    throw new SetupError(
      `${table.schema}.${table.table} has no column ${missing}.`,
      nearest === undefined ? `It has ${known.join(", ")}.` : `Did you mean ${nearest}?`,
    );
  }
  const [only, ...more] = columns;
  return more.length === 0 ? (only ?? "") : `concat_ws(chr(10), ${columns.map(quote).join(", ")})`;
}

/** What to call `watch` with. @param overrides the provider's, in place of those that are declared */
export function watchOptions(
  { declared, name, table, key, text, vector, into, chunks, tenant }: WantedSource,
  { backend, model, dimensions, settings }: ProviderOverrides,
): WatchOptions {
  return {
    table: quoted(table),
    text,
    key,
    vector,
    name,
    type: declared.type,
    into: into === null ? undefined : quoted(into),
    chunks: chunks ?? undefined,
    tenant: tenant ?? undefined,
    backend: backend === null ? undefined : backendIdOf(backend),
    model: model ?? undefined,
    dimensions: dimensions ?? undefined,
    settings,
  };
}
