import { sql, type RawBuilder } from "kysely";
import { claimOwners } from "../queue/row-state.ts";

/**
 * A listener that was not seen for so long is gone: the others take over its claims, and the page, the status and doctor
 * call it silent. Longer than three heartbeats; with one more heartbeat until the others look, under five seconds.
 */
export const SILENCE_MS = 3_500;

/** For those who read `embedding_listener`; one that was seen in the future (the server's clock was set back) is gone too. */
export function isAlive(silentSeconds: number): boolean {
  return Math.abs(silentSeconds) * 1_000 <= SILENCE_MS;
}

/**
 * A listener that sleeps has no heartbeat, and holds nothing: one that does has died while it woke. After a day it counts
 * as gone, for it may have been killed; it registers again when it wakes.
 */
export const isAsleep: RawBuilder<boolean> = sql`(state ? 'asleep' and seen_at > now() - interval '1 day'
  and id not in ${claimOwners} and id not in (select p.owner from autoembed.embedding_page p where p.owner is not null))`;

/** The opposite of `isAlive`, as a condition over `embedding_listener`. */
export const isSilent: RawBuilder<boolean> = sql`(seen_at not between
  now() - ${SILENCE_MS} * interval '1 millisecond' and now() + ${SILENCE_MS} * interval '1 millisecond' and not ${isAsleep})`;
