import pg from "pg";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";
import { countRows } from "./count-rows.ts";
import type { StaleCounts } from "./source-status.ts";

/** Reads the whole table. Null if it cannot be read now: it is locked, or this role lacks a right. */
export async function readStaleCounts(db: Database, source: Source): Promise<StaleCounts | null> {
  try {
    const { not_queued, old_text, old_setting, adopted } = await countRows(db, source);
    return { not_queued, old_text, old_setting, adopted };
  } catch (error) {
    if (error instanceof pg.DatabaseError) return null;
    throw error;
  }
}
