import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Events } from "../events.ts";
import type { Source } from "../sources/source.ts";
import { pendingRows } from "./counts.ts";

export interface Look {
  readonly db: Database;
  readonly sources: readonly Source[];
  /** Of the listener that works beside: when it has drained a source, that is looked at at once. */
  readonly events: Events;
  /** Told how many rows are still owed, at every look. */
  readonly show: (rows: number) => Promise<void> | void;
  readonly signal: AbortSignal;
}

const LOOK_MS = 200;
/** Counting takes longer the more is pending: a look may take this share of the time, and no more. */
const LOOK_SHARE = 0.02;

/**
 * Waits until everything that is pending now is settled, and for nothing that is queued later: beside writers who never
 * rest the queue may never be empty. A row that is changed meanwhile has a fresh ticket, and is not waited for either.
 */
export async function waitForPending(look: Look): Promise<void> {
  const upTo = await lastTicket(look.db);
  await pollUntil((rows) => rows === 0, look, upTo);
}

/** Looks at what is owed until `isDone`, or until it is interrupted. */
export async function pollUntil(
  isDone: (pending: number) => boolean,
  { db, sources, events, show, signal }: Look,
  upTo?: string,
): Promise<void> {
  for (;;) {
    let wake: () => void = () => undefined;
    const drained = new Promise<void>((resolve) => (wake = resolve));
    events.once("drained", wake);
    const resting = new AbortController();
    try {
      const looked = performance.now();
      const rows = await pendingRows(db, sources, upTo);
      await show(rows);
      if (isDone(rows) || signal.aborted) return;
      const cost = performance.now() - looked;
      const rest = (ms: number): Promise<void> =>
        delay(ms, undefined, { signal: AbortSignal.any([resting.signal, signal]) }).catch(() => undefined);
      // What was drained may be the last, and then little is left to count: looked at soon, though looks may not
      // take all the time there is.
      await Promise.race([rest(Math.max(LOOK_MS, cost / LOOK_SHARE)), drained.then(() => rest(cost))]);
    } finally {
      resting.abort();
      events.off("drained", wake);
    }
  }
}

/** Every ticket that was given out is up to this one. */
async function lastTicket(db: Database): Promise<string> {
  const { rows } = await sql<{ ticket: string }>`
    select coalesce(pg_sequence_last_value('autoembed.embedding_ticket'), 0)::text as ticket`.execute(db);
  return rows[0]?.ticket ?? "0";
}
