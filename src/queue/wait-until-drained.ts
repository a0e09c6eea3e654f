import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";

const LOOK_MS = 20;

/** Resolves when no row of a source that is not paused is pending. Failed rows are settled too. */
export async function waitUntilDrained(db: Database, signal?: AbortSignal): Promise<void> {
  for (;;) {
    const { rows } = await sql<{ settled: boolean }>`
      select not exists (
        select from autoembed.embedding_queue q join autoembed.embedding_source s on s.id = q.source_id
        where q.failed_at is null and not s.paused) as settled`.execute(db);
    if (rows[0]?.settled === true) return;
    await delay(LOOK_MS, undefined, signal === undefined ? {} : { signal });
  }
}
