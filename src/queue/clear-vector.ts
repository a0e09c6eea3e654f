import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { hasText, isUnchanged, keysOf } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { lockRowThenQueue, queuedRows } from "./held-rows.ts";
import { isOpen } from "./row-state.ts";
import { clearVectorCtes, type Outcome } from "./vector-ctes.ts";

/** Removes the vectors of rows whose text is null or blank. Skips rows that are locked. @returns the others. */
export async function clearVector(
  db: Database,
  source: Source,
  tickets: readonly string[],
): Promise<Outcome[]> {
  const { rows } = await sql<Outcome>`
    with held as materialized (
      select q.ticket, q.ctid, t.ctid as row_ctid, ${keysOf(source, "t")}
      from ${queuedRows(source)}
      where q.source_id = ${source.id} and q.ticket = any(${tickets}::bigint[]) and ${isOpen()} and not ${hasText("t")}
        and ${isUnchanged(source)}
      ${lockRowThenQueue}
    )${clearVectorCtes(source)}`.execute(db);
  return rows;
}
