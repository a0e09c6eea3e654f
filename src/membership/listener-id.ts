import { randomInt } from "node:crypto";
import { hostname } from "node:os";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { storableJson, storing } from "../database/storing.ts";
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

/** Above every id that a sequence has given: earlier versions took theirs from one. */
const FIRST_ID = 2 ** 30;
const END_OF_IDS = 2 ** 31;

/**
 * Under a random id. A sequence is set back when the database is restored next to running listeners: it would give one of
 * them the id of another.
 */
export async function register(db: Database, state: ListenerState): Promise<ListenerId> {
  const id = randomInt(FIRST_ID, END_OF_IDS);
  const { rows } = await storing(storableJson(state), (state) =>
    sql<{ id: number }>`
      insert into autoembed.embedding_listener (id, host, pid, version, state) overriding system value
      values (${id}, ${hostname()}, ${process.pid}, ${VERSION}, ${state}::jsonb)
      on conflict (id) do nothing returning id`.execute(db),
  );
  return rows.length > 0 ? { id, state: "registered" } : await register(db, state);
}

/** The heartbeat of these ids. @returns those that are still in the table. */
export async function markSeen(
  db: Database,
  ids: readonly number[],
  state: ListenerState,
): Promise<ReadonlySet<number>> {
  if (ids.length === 0) return new Set();
  const seen = await storing(storableJson(state), (state) =>
    db
      .updateTable("autoembed.embedding_listener")
      .set({ seen_at: sql`now()`, state })
      .where("id", "in", ids)
      .returning("id")
      .execute(),
  );
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

/** Whether a listener of another version is registered: an earlier one may not know what this one says of itself. */
export async function areOthersOfAnotherVersion(db: Database): Promise<boolean> {
  const rows = await db
    .selectFrom("autoembed.embedding_listener")
    .select("id")
    .where("version", "!=", VERSION)
    .limit(1)
    .execute();
  return rows.length > 0;
}

export async function isRegistered(db: Database, id: number): Promise<boolean> {
  const rows = await db
    .selectFrom("autoembed.embedding_listener")
    .select("id")
    .where("id", "=", id)
    .execute();
  return rows.length > 0;
}
