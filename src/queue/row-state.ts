import { sql, type RawBuilder } from "kysely";
import { delayIsOver } from "../database/delay-is-over.ts";

/*
 * The life of a row of `embedding_queue`: one per source and key whose vector may not be current.
 *
 *             enqueue                claim(owner)              complete
 *   (absent) ─────────▶ pending ───────────────▶ claimed ───────────────▶ (absent)
 *                        ▲  ▲ ▲                   │ │ │
 *                        │  │ └─ release(delay) ──┘ │ └─ fail(reason) ──▶ failed
 *                        │  └──── owner silent ─────┘                      │
 *                        └──────────── retry, or the text changed ─────────┘
 *   at any time: enqueue again = pending with a new ticket; the holder of the old ticket can change nothing.
 *   its row deleted = (absent); its source watched again changed = pending; a page's row with a fault enters as failed.
 *   A release or a takeover keeps the ticket: there the queue row's ctid guards a write, and the owner a release or a
 *   failure. Dropping a deleted row needs only that the row is gone.
 *
 *   state     failed_at   owner                    not_before
 *   pending   null        null                     due from then on
 *   claimed   null        embedding_listener.id    not read
 *   failed    set         null                     not read
 *
 * A constraint of the table refuses a row with both. The conditions below are over a queue row named `q`.
 */

/** Pending or claimed: the partial index by ticket holds exactly these rows. @param row its name */
export function isOpen(row = "q"): RawBuilder<boolean> {
  return sql`${sql.ref(`${row}.failed_at`)} is null`;
}

export function isFailed(): RawBuilder<boolean> {
  return sql`q.failed_at is not null`;
}

export function isPending(): RawBuilder<boolean> {
  return sql`${isOpen()} and q.owner is null`;
}

export function isClaimed(): RawBuilder<boolean> {
  return sql`${isOpen()} and q.owner is not null`;
}

/** Who has claimed rows: a condition such as `id in ${claimOwners}`. */
export const claimOwners: RawBuilder<unknown> = sql`(select q.owner from autoembed.embedding_queue q where ${isClaimed()})`;

/** Pending, and its delay is over. */
export function isDue(): RawBuilder<boolean> {
  return sql`${isPending()} and ${delayIsOver("q.not_before")}`;
}

/** What a retry sets: the row is pending as if its text had changed now, but how often it failed is still counted. */
export const retried = sql`failed_at = null, last_error = null, owner = null,
      ticket = nextval('autoembed.embedding_ticket'), first_ticket = coalesce(q.first_ticket, q.ticket),
      queued_at = now(), not_before = now()`;
