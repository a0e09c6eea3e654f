import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { chunkRows, keysOf, queueKey } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { isQueuedAndOpen, isQueuedByLookup } from "./is-queued.ts";
import { isOpen } from "./row-state.ts";

/** Texts that are pending or claimed, or have a chunk that is. */
export async function countOpenTexts(db: Database, source: ChunkedSource): Promise<number> {
  const { rows } = await sql<{ texts: number }>`
    select count(*)::float8 as texts from (
      select q.key from autoembed.embedding_queue q where q.source_id = ${source.id} and ${isOpen()}
      union
      select ${queueKey(source, "c")} from (
        select distinct ${keysOf(source, "p")} from autoembed.embedding_queue q
        join ${chunkRows(source)} p on p.passage_id = q.key::bigint
        where q.source_id = ${source.embeddedBy} and ${isOpen()}
      ) c
    ) t`.execute(db);
  return rows[0]?.texts ?? 0;
}

/** That a backfill works on the queued row, or queues it: it is pending or claimed, or `isStale` and not failed. */
export function isToWorkOn(
  { id }: Pick<Source, "id">,
  key: RawBuilder<unknown>,
  isStale: RawBuilder<boolean>,
): RawBuilder<boolean> {
  return sql`(${isQueuedAndOpen(id, key)} or (${isStale} and not ${isQueuedByLookup(id, key)}))`;
}
