import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { databaseFault, isDatabaseError, isReadOnly } from "../database/database-fault.ts";
import type { Source } from "../sources/source.ts";
import { problem, type Finding } from "./finding.ts";
import { INSUFFICIENT_PRIVILEGE } from "../sqlstate.ts";

/**
 * Checks the text and the vectors' column as `autoembed.watch()` does now: an earlier version may have taken what is refused
 * since, and a function, a column or another source may have been changed.
 */
export async function examineRefusals(db: Database, { id, name }: Source): Promise<Finding[]> {
  try {
    await sql`
      select autoembed.check_text(s.watched_table, s.text_expression), case when s.vector_table is null
        then autoembed.check_text_is_kept(s.watched_table, s.text_expression, s.vector_column) end,
        autoembed.check_receiver_is_free(s)
      from autoembed.embedding_source s where s.id = ${id}`.execute(db);
    return [];
  } catch (error) {
    if (!isDatabaseError(error)) throw error;
    // A right is missing: only a role that could watch the table finds out.
    if (error.code === INSUFFICIENT_PRIVILEGE || isReadOnly(error) || databaseFault(error) === "server")
      return [];
    // Such as an event trigger that lets nobody make a view.
    if (!isRaisedByCheck(error)) return [];
    return [
      problem(
        `\`watch\` would refuse it now: ${error.message}.`,
        `${error.hint ?? "Change the text."} Then watch it again as ${name}, and backfill.`,
      ),
    ];
  }
}

/** By where Postgres says that it was raised: in the first line of the context, whatever its language. */
function isRaisedByCheck({ where = "" }: { readonly where?: string | undefined }): boolean {
  return /^[^\n]*\bautoembed\.check_/.test(where);
}
