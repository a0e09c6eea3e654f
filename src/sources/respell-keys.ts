import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import type { Source } from "./source.ts";

/**
 * What is kept of a row is found by how its key is written. Where the key's type was altered, as so that 6 is written 6.00,
 * ledger, cache and queue get the keys as the rows have them now. One lookup where nothing was altered.
 */
export async function respellKeys(
  db: Database,
  { id }: Pick<Source, "id">,
  signal?: AbortSignal,
): Promise<void> {
  let locked = 0;
  for (let after: string | null = null; signal?.aborted !== true;) {
    const found: Found | undefined = (
      await sql<Found>`
        select f.last_read, f.locked::float8 as locked
        from autoembed.respell_keys(${id}, ${after}, ${locked}::bigint) f`.execute(db)
    ).rows[0];
    locked += found?.locked ?? 0;
    after = found?.last_read ?? null;
    if (after === null) return;
  }
}

/**
 * The same for the sources of a table that is about to be watched by another key, before its lock is taken: what is not
 * done by then is done under it. Fails for nothing.
 */
export async function respellKeysOfTable(db: Database, table: string): Promise<void> {
  const { rows } = await sql<Pick<Source, "id">>`
    select s.id from autoembed.embedding_source s where s.watched_table = ${table}::oid`.execute(db);
  for (const source of rows) await respellKeys(db, source).catch(() => undefined);
}

interface Found {
  /** The key that was read last; null at the end. */
  readonly last_read: string | null;
  /** Rows that others had locked. */
  readonly locked: number;
}

/**
 * For a dry run, which writes nothing.
 * @throws {SetupError} where what is kept of the rows may not be found by their keys
 */
export async function refuseAlteredKey(
  db: Database,
  { id, name }: Pick<Source, "id" | "name">,
): Promise<void> {
  const { rows } = await sql`
    select from autoembed.embedding_source s where s.id = ${id} and s.key_types <> autoembed.key_types(s)`.execute(
    db,
  );
  if (rows.length === 0) return;
  throw new SetupError(
    `The type of the key of ${name} was altered, and what is kept of its rows may have their keys as they were written before.`,
    `A listener writes them as the rows have them: start one, or run ${invocation("drain")}, which embeds what is pending, also where one runs already. Then count again.`,
  );
}
