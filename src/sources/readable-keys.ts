import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isDatabaseError } from "../database/database-fault.ts";
import type { Source } from "./source.ts";

/** A source in which no such key was found is not searched again for so long: something else raises. */
const SEARCHED_MS = 600_000;

const searchedAt = new WeakMap<Source, number>();

/**
 * Runs a statement that joins what is stored under keys of these sources with their tables. Where a stored key is none of its
 * column's type any more, since that was altered, the statement raises for all rows: such keys are removed, and it runs
 * again; or `afterwards` runs, where it was given such a key itself.
 */
export async function withReadableKeys<T>(
  db: Database,
  sources: readonly Source[],
  statement: () => Promise<T>,
  afterwards = statement,
): Promise<T> {
  try {
    return await statement();
  } catch (error) {
    if (!isKeyFault(error)) throw error;
    let removed = 0;
    for (const source of sources) removed += await forgetUnreadableKeys(db, source);
    if (removed === 0) throw error;
    return await afterwards();
  }
}

/** A cast may have raised it, of a text to a type or a domain. What a user's code or a table's constraint raises says so. */
function isKeyFault(error: unknown): boolean {
  if (!isDatabaseError(error) || error.where !== undefined || error.table !== undefined) return false;
  return error.code.startsWith("22") || error.code === "23514";
}

/** Removes what is stored under keys that are none of their types. @returns how many entries there were */
export async function forgetUnreadableKeys(db: Database, source: Source): Promise<number> {
  if (performance.now() - (searchedAt.get(source) ?? -Infinity) < SEARCHED_MS) return 0;
  let removed = 0;
  for (let after: string | null = null; ;) {
    const found: Found | undefined = (
      await sql<Found>`
        select f.last_read, f.removed::float8 as removed
        from autoembed.forget_unreadable_keys(${source.id}, ${after}) f`.execute(db)
    ).rows[0];
    removed += found?.removed ?? 0;
    after = found?.last_read ?? null;
    if (after === null) break;
  }
  if (removed === 0) searchedAt.set(source, performance.now());
  return removed;
}

interface Found {
  /** The key in the ledger that was read last; null at its end. */
  readonly last_read: string | null;
  readonly removed: number;
}
