import { sql } from "kysely";
import type { Database } from "../database/connect.ts";

/** Stops or resumes embedding for a source; changes are queued all the while. @returns false when there is no such source. */
export async function setPaused(db: Database, source: string, paused: boolean): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable("embedding_source")
    .set({ paused })
    .where("name", "=", source)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) return false;
  await sql`select pg_notify('embedding_queue', '')`.execute(db);
  return true;
}
