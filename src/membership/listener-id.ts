import { hostname } from "node:os";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { VERSION } from "../version.ts";
import type { ListenerState } from "./listener-state.ts";

/**
 * An `embedding_listener.id` of this process, and what it stands for.
 *
 *   registered ──a claim got no reply──▶ ambiguous ──nothing is held under it any more, freed──▶ deregistered
 *     │  │  └────found missing at a heartbeat: another listener took over───────────────────────▶ deregistered
 *     │  └──stopped with claims left──▶ silent: other listeners take over at once
 *     └──stopped with nothing left──▶ deregistered
 *
 * Rows are claimed under a registered id alone.
 */
export interface ListenerId {
  readonly id: number;
  readonly state: "registered" | "ambiguous" | "silent" | "deregistered";
}

export async function register(db: Database, state: ListenerState): Promise<ListenerId> {
  const { id } = await db
    .insertInto("autoembed.embedding_listener")
    .values({ host: hostname(), pid: process.pid, version: VERSION, state: JSON.stringify(state) })
    .returning("id")
    .executeTakeFirstOrThrow();
  return { id, state: "registered" };
}

/** The heartbeat of these ids. @returns those that are still in the table. */
export async function markSeen(
  db: Database,
  ids: readonly number[],
  state: ListenerState,
): Promise<ReadonlySet<number>> {
  if (ids.length === 0) return new Set();
  const seen = await db
    .updateTable("autoembed.embedding_listener")
    .set({ seen_at: sql`now()`, state: JSON.stringify(state) })
    .where("id", "in", ids)
    .returning("id")
    .execute();
  return new Set(seen.map(({ id }) => id));
}

/** Makes other listeners take over what these ids have claimed, without waiting for silence. */
export async function markSilent(db: Database, ids: readonly number[]): Promise<void> {
  if (ids.length === 0) return;
  await db
    .updateTable("autoembed.embedding_listener")
    .set({ seen_at: sql`'-infinity'` })
    .where("id", "in", ids)
    .execute();
}

/** Of an id that has claimed nothing, or whose claims have all ended. */
export async function deregister(db: Database, id: number): Promise<void> {
  await db.deleteFrom("autoembed.embedding_listener").where("id", "=", id).execute();
}

export async function isRegistered(db: Database, id: number): Promise<boolean> {
  const rows = await db
    .selectFrom("autoembed.embedding_listener")
    .select("id")
    .where("id", "=", id)
    .execute();
  return rows.length > 0;
}
