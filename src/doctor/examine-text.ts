import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { databaseFault, isDatabaseError, isReadOnly } from "../database/database-fault.ts";
import type { Source } from "../sources/source.ts";
import { problem, type Finding } from "./finding.ts";

/** A right is missing: only a role that could watch the table finds out. */
const INSUFFICIENT_PRIVILEGE = "42501";

/**
 * Checks the text as `autoembed.watch()` does now: it may have been watched by an earlier version that took what triggers do
 * not see, or a function or a column of it was altered since.
 */
export async function examineText(db: Database, { id, name }: Source): Promise<Finding[]> {
  try {
    await sql`
      select autoembed.check_text(s.watched_table, s.text_expression), case when s.vector_table is null
        then autoembed.check_text_is_kept(s.watched_table, s.text_expression, s.vector_column) end
      from autoembed.embedding_source s where s.id = ${id}`.execute(db);
    return [];
  } catch (error) {
    if (!isDatabaseError(error)) throw error;
    if (error.code === INSUFFICIENT_PRIVILEGE || isReadOnly(error) || databaseFault(error) === "server")
      return [];
    return [
      problem(
        `\`watch\` would refuse it now: ${error.message}.`,
        `${error.hint ?? "Change the text."} Then watch it again as ${name}, and backfill.`,
      ),
    ];
  }
}
