import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { wakeListeners } from "../database/wake-listeners.ts";

/**
 * Pauses or resumes embedding for a source, and for the chunks that its texts are split into. Changes are queued while it
 * is paused.
 * @returns false where there is no such source.
 */
export async function setPaused(db: Database, source: string, paused: boolean): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update autoembed.embedding_source s set paused = ${paused}
    where s.name = ${source} or exists (select from autoembed.embedding_source p
      where p.name = ${source} and p.passages is not null and p.vector_table = s.watched_table)`.execute(db);
  if (numAffectedRows === 0n) return false;
  await wakeListeners(db);
  return true;
}
