import { sql } from "kysely";
import type { Database } from "./connect.ts";

/** The NOTIFY channel of the listeners: the triggers send the id of a source, or nothing where every source is to be looked at. */
export const CHANNEL = "autoembed";

/** What `autoembed.put_question()` sends there. */
export const ASKED = "ask";

/** Wakes every listener when the transaction commits: for one source, or for all of them. */
export async function wakeListeners(db: Database, sourceId?: number): Promise<void> {
  const payload = sourceId === undefined ? "" : String(sourceId);
  await sql`select pg_notify(${CHANNEL}, ${payload})`.execute(db);
}
