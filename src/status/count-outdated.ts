import pg from "pg";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";
import { countRows } from "./collect-status.ts";
import type { LedgerCounts } from "./source-status.ts";

/** Reads the whole table. Null if it cannot be read now: it is locked, or this role lacks a right. */
export async function countOutdated(db: Database, source: Source): Promise<LedgerCounts | null> {
  try {
    const { old_text, old_setting, adopted } = await countRows(db, source);
    return { old_text, old_setting, adopted };
  } catch (error) {
    if (error instanceof pg.DatabaseError) return null;
    throw error;
  }
}
