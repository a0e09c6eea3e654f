import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isDatabaseError } from "../database/database-fault.ts";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
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

/**
 * Runs such a statement for a dry run, which removes nothing.
 * @throws {SetupError} where a stored key is none of its column's type any more
 */
export async function refusingUnreadableKeys<T>({ name }: Source, statement: () => Promise<T>): Promise<T> {
  return await statement().catch((error: unknown) => {
    if (!isKeyFault(error)) throw error;
    throw new SetupError(
      `Something is stored for ${name} under keys that the type of its key no longer accepts, so its rows cannot be counted.`,
      `A listener, or ${invocation("backfill")}, removes it: see "When a table changes under its source" in docs/sources.md.`,
    );
  });
}

/** What a cast of a text to a type or a domain raises: no value of the type, one out of its range, the domain's check. */
const CAST_FAULTS = new Set(["22P02", "22003", "22007", "22008", "23514"]);

/** Whether such a cast may have raised it. What a user's code or a table's constraint raises says where it comes from. */
export function isKeyFault(error: unknown): boolean {
  if (!isDatabaseError(error) || error.table !== undefined) return false;
  const isOfUserCode = error.where !== undefined && error.where !== "parallel worker";
  return CAST_FAULTS.has(error.code) && !isOfUserCode;
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
