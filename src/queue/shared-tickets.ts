import type { Claimed } from "./held-claims.ts";

/*
 * A ticket names one row, unless the sequence of tickets was set back: after a switch to a logical replica, which does not
 * replicate sequences, new changes get tickets that older rows of the queue still have.
 */

/**
 * The rows that can be told apart by their tickets, and the others.
 * @param heldKey the key of the row that is held under a ticket already
 */
export function separateByTicket<Row extends Claimed>(
  rows: readonly Row[],
  heldKey: (ticket: string) => string | undefined,
): { readonly own: Row[]; readonly shared: Row[] } {
  const keys = new Map<string, string>();
  const own: Row[] = [];
  const shared: Row[] = [];
  for (const row of rows) {
    const key = keys.get(row.ticket) ?? heldKey(row.ticket) ?? row.key;
    keys.set(row.ticket, key);
    (key === row.key ? own : shared).push(row);
  }
  return { own, shared };
}
