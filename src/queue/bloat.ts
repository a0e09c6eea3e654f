import { sql } from "kysely";
import type { Database } from "../database/connect.ts";

/** For messages that name the queue's table, such as a statement to run. */
export const QUEUE_TABLE = "autoembed.embedding_queue";

export interface QueueBloat {
  readonly dead: number;
  readonly live: number;
  readonly bytes: number;
}

/** Dead and live rows of the queue as the server's statistics have them, and its size with indexes. */
export async function queueBloat(db: Database): Promise<QueueBloat> {
  const { rows } = await sql<QueueBloat>`
    select n_dead_tup::float8 as dead, n_live_tup::float8 as live, pg_total_relation_size(relid)::float8 as bytes
    from pg_stat_user_tables where relid = ${QUEUE_TABLE}::regclass`.execute(db);
  return rows[0] ?? { dead: 0, live: 0, bytes: 0 };
}
