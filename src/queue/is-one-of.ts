import { sql, type RawBuilder } from "kysely";
import { numbersParameter, textsParameter } from "../database/array-parameter.ts";

/** What names one row of a source's queue. A ticket alone may be that of several rows: see `separateByTicket`. */
export interface TicketedRow {
  readonly ticket: string;
  readonly key: string;
}

/** That the queue's row `q` is one of the rows. The tickets alone are for the index. */
export function isOneOf(rows: readonly TicketedRow[]): RawBuilder<boolean> {
  const tickets = sql`${numbersParameter(rows.map(({ ticket }) => ticket))}::bigint[]`;
  const keys = sql`${textsParameter(rows.map(({ key }) => key))}::text[]`;
  return sql`(q.ticket = any(${tickets})
        and (q.ticket, q.key) in (select r.ticket, r.key from unnest(${tickets}, ${keys}) as r(ticket, key)))`;
}
