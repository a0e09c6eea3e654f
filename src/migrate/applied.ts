import type { ClientBase } from "pg";
import { SetupError } from "../errors.ts";
import { VERSION } from "../version.ts";
import { refuseHiddenTables } from "./hidden-tables.ts";
import type { MigrationFiles } from "./migration-files.ts";

/** Under this name the joint hash of all functions and trigger templates is recorded. */
export const FUNCTIONS = "functions";

/** What `autoembed.migration` has, by filename. */
export type Applied = ReadonlyMap<string, { readonly hash: string; readonly version: string }>;

export interface DatabaseState {
  readonly applied: Applied;
  /** Version 0.1 is installed: its tables are in public. */
  readonly isFirstVersion: boolean;
}

/** Reads what was applied to a database. Asks for no rights but those of a listener, where it was migrated. */
export async function readState(client: ClientBase): Promise<DatabaseState> {
  const { rows } = await client.query<{ is_migrated: boolean; is_first: boolean }>(`
    with tables as (
      select c.oid, n.nspname, c.relname from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r')
    select exists (select from tables where nspname = 'autoembed' and relname = 'migration') as is_migrated,
      exists (select from tables t join pg_catalog.pg_attribute a on a.attrelid = t.oid
        where nspname = 'public' and relname = 'embedding_source' and attname = 'watched_table')
        and exists (select from tables where nspname = 'public' and relname = 'embedding_reservation') as is_first`);
  const { is_migrated: isMigrated = false, is_first: isFirst = false } = rows[0] ?? {};
  if (!isMigrated) return { applied: new Map(), isFirstVersion: isFirst };
  await refuseHiddenTables(client);
  const { rows: applied } = await client.query<{ filename: string; hash: string; version: string }>(
    "select filename, hash, version from autoembed.migration",
  );
  return { applied: new Map(applied.map((row) => [row.filename, row])), isFirstVersion: false };
}

/** @throws {SetupError} where the database has tables that this code does not know, or other ones under their names. */
export function checkApplied({ committed }: MigrationFiles, applied: Applied): void {
  for (const { filename, hash } of committed) {
    const recorded = applied.get(filename);
    if (recorded !== undefined && recorded.hash !== hash) {
      throw new SetupError(
        `${filename} was applied to this database as another file (by version ${recorded.version}).`,
        "Deploy a released version of pg-autoembed: a migration is never edited once it was released.",
      );
    }
  }
  const known = new Set(committed.map(({ filename }) => filename));
  for (const [filename, { version }] of applied) {
    if (/^\d/.test(filename) && !known.has(filename)) {
      throw new SetupError(
        `The database is newer than this code: it has ${filename}, and was migrated by version ${version}.`,
        `Update pg-autoembed, which is ${VERSION} here.`,
      );
    }
  }
}

/** Whether `version` is newer than this code's. */
export function isNewer(version: string): boolean {
  const [theirs, ours] = [version, VERSION].map((text) => text.split(/[.-]/, 3).map(Number));
  for (const part of [0, 1, 2]) {
    const difference = (theirs?.[part] ?? 0) - (ours?.[part] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
