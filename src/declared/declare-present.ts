import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { sqlName, type TableName } from "../database/identifier.ts";
import { backendIdOf } from "../providers/known-backends.ts";
import { sourceSettings } from "../providers/source-settings.ts";
import { searchedIndex } from "../search/searched-index.ts";
import { loadSources, type Sources } from "../sources/load-sources.ts";
import { vectorTypeFor } from "../watch/vector-column.ts";
import { configText } from "./config-text.ts";
import type { DeclaredSource } from "./declared-source.ts";
import { readPresent, type PresentSource } from "./present-source.ts";

/** The sources of a database as a configuration file, which then has no difference to the database. */
export async function declarePresent(db: Database): Promise<string> {
  const loaded = await loadSources(db);
  const declared: DeclaredSource[] = [];
  const comments: string[] = [];
  for (const source of await readPresent(db)) {
    const { table } = source;
    if (table === null) {
      comments.push(`${JSON.stringify(source.name)} is not declared here, since its table was dropped.`);
    } else {
      declared.push(await declare(db, { ...source, table }, loaded));
    }
  }
  return configText(declared, comments);
}

async function declare(
  db: Database,
  source: PresentSource & { readonly table: TableName },
  loaded: Sources,
): Promise<DeclaredSource> {
  const { name, table, key, vector, into, chunks, tenant, type, columnDimensions, overrides } = source;
  const byDefault = await defaultsOf(db, source);
  const isDefaultType = type === null || type === vectorTypeFor(columnDimensions ?? 1);
  const settings = sourceSettings(overrides.settings);
  return {
    table: sqlName(table),
    text: source.textIsColumn ? unquoted(source.text) : source.text,
    key: isSame(key, byDefault.key) ? undefined : key.length === 1 ? key[0] : key,
    vector: vector === "embedding" ? undefined : vector,
    into: into === null || into === "dropped" ? undefined : sqlName(into),
    chunk: chunks?.chunk,
    overlap: chunks?.overlap,
    unit: chunks?.unit,
    tenant: tenant ?? undefined,
    type: isDefaultType ? undefined : type,
    name: name === byDefault.name ? undefined : name,
    backend: overrides.backend === null ? undefined : backendIdOf(overrides.backend),
    model: overrides.model ?? undefined,
    dimensions: overrides.dimensions ?? undefined,
    settings: Object.keys(settings).length === 0 ? undefined : settings,
    index: (await hasIndex(db, source, loaded)) ? true : undefined,
  };
}

/** What a source of that table has where nothing is said. */
async function defaultsOf(
  db: Database,
  { oid }: PresentSource,
): Promise<{ readonly name: string; readonly key: readonly string[] | null }> {
  const { rows } = await sql<{ name: string; key: string[] | null }>`
    select autoembed.default_name(t) as name, autoembed.primary_key(t) as key from (select ${oid}::oid::regclass as t) s`.execute(
    db,
  );
  return rows[0] ?? { name: "", key: null };
}

async function hasIndex(
  db: Database,
  { name }: PresentSource,
  { usable, chunked }: Sources,
): Promise<boolean> {
  const id = chunked.find((source) => source.name === name)?.embeddedBy;
  const source = usable.find((one) => (id === undefined ? one.name === name : one.id === id));
  if (source === undefined) return false;
  return (await searchedIndex(db, source)) !== undefined;
}

/** The spelling of a column that Postgres quotes where it must. */
function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}

function isSame(one: readonly string[], other: readonly string[] | null): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
