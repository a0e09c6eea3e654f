import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Events } from "../events.ts";
import type { Source } from "../sources/source.ts";
import { pendingRows } from "./counts.ts";

export interface PendingWait {
  readonly db: Database;
  readonly sources: readonly Source[];
  /** Of the listener in this process: when it has drained a source, the rows are counted at once. */
  readonly events: Events;
  /** Called with the number of rows after every count. */
  readonly show: (rows: number) => Promise<void> | void;
  readonly signal: AbortSignal;
}

const POLL_MS = 200;
/** Counting takes longer the more is pending: it may take this share of the time, and no more. */
const COUNT_SHARE = 0.02;

/**
 * Waits until everything that is pending now has left the queue or failed, and for nothing that is queued later: with
 * writers that never pause, the queue may never be empty. A row that changes in the meantime gets a new ticket, and is not
 * waited for either.
 */
export async function waitForPending(wait: PendingWait): Promise<void> {
  const upTo = await lastTicket(wait.db);
  await pollUntil((rows) => rows === 0, wait, upTo);
}

/** Counts what is pending until `isDone`, or until it is interrupted. */
export async function pollUntil(
  isDone: (pending: number) => boolean,
  { db, sources, events, show, signal }: PendingWait,
  upTo?: string,
): Promise<void> {
  for (;;) {
    let wake: () => void = () => undefined;
    const drained = new Promise<void>((resolve) => (wake = resolve));
    events.once("drained", wake);
    const resting = new AbortController();
    try {
      const started = performance.now();
      const rows = await pendingRows(db, sources, upTo);
      await show(rows);
      if (isDone(rows) || signal.aborted) return;
      const cost = performance.now() - started;
      const rest = (ms: number): Promise<void> =>
        delay(ms, undefined, { signal: AbortSignal.any([resting.signal, signal]) }).catch(() => undefined);
      // What was drained may have been the last, and then little is left to count: counted again soon, but counting may not
      // take all of the time.
      await Promise.race([rest(Math.max(POLL_MS, cost / COUNT_SHARE)), drained.then(() => rest(cost))]);
    } finally {
      resting.abort();
      events.off("drained", wake);
    }
  }
}

/** The greatest ticket that was given out. */
async function lastTicket(db: Database): Promise<string> {
  const { rows } = await sql<{ ticket: string }>`
    select coalesce(pg_sequence_last_value('autoembed.embedding_ticket'), 0)::text as ticket`.execute(db);
  return rows[0]?.ticket ?? "0";
}
