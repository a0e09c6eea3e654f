import { sql, type RawBuilder } from "kysely";

/**
 * A listener that was not seen for so long is gone: the others take over its claims, and the page, the status and doctor
 * call it silent. Longer than three heartbeats; with one more heartbeat until the others look, under five seconds.
 */
export const SILENCE_MS = 3_500;

/** For those who read `embedding_listener`; one that was seen in the future (the server's clock was set back) is gone too. */
export function isAlive(silentSeconds: number): boolean {
  return Math.abs(silentSeconds) * 1_000 <= SILENCE_MS;
}

/** The opposite, as a condition over `embedding_listener`. */
export const isSilent: RawBuilder<boolean> = sql`seen_at not between
  now() - ${SILENCE_MS} * interval '1 millisecond' and now() + ${SILENCE_MS} * interval '1 millisecond'`;
