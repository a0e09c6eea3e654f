import { sql } from "kysely";
import { UNINSTALL } from "../migrate/uninstalling.ts";
import type { Database } from "./connect.ts";

/**
 * Whether an uninstall was begun in the database.
 * @throws if our tables are missing, as they are for a while when a database is restored: that says nothing of an uninstall.
 */
export async function isLeaving(db: Database): Promise<boolean> {
  const { rows } = await sql`
    select from autoembed.migration where filename = ${UNINSTALL}`.execute(db);
  return rows.length > 0;
}
