import { sql, type RawBuilder } from "kysely";

/** Upper bound of the delays of queue rows and of pages, whatever sets them; tenants_in_turn.sql has it too. */
const LONGEST_DELAY_MS = 60_000;

/**
 * The time in a column has come. A delay beyond the longest means that the server's clock was set back.
 * @param column such as `q.not_before`
 * @param longestMs what whoever sets it keeps to
 */
export function delayIsOver(column: string, longestMs = LONGEST_DELAY_MS): RawBuilder<boolean> {
  const time = sql.ref(column);
  return sql`(${time} <= now() or ${time} > now() + ${sql.lit(longestMs)} * interval '1 millisecond')`;
}
