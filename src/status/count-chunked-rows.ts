import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { hasAtMostPending } from "../queue/counts.ts";
import { isQueued, joinQueue } from "../queue/is-queued.ts";
import { NONE_STALE, type CountedRows } from "./source-status.ts";
import { hasText, isHeldRow, keyFits, vectorTableOf, watchedRows } from "../sources/source-sql.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";

/** Counts the rows with a text and those whose chunks are all stored and embedded. Reads both tables whole. */
export async function countChunkedRows(db: Database, chunkedSource: ChunkedSource): Promise<CountedRows> {
  const { rows } = await sql<
    Pick<CountedRows, "rows" | "current" | "not_queued" | "key_too_long" | "problem">
  >`
    select count(*) filter (where ${hasText("t")})::float8 as rows,
      count(*) filter (where ${hasText("t")} and q.key is null and p.count > 0 and p.embedded = p.count)::float8 as current,
      count(*) filter (where ${hasText("t")} and q.key is null and p.count = 0 and ${keyFits(chunkedSource, "t")})::float8 as not_queued,
      count(*) filter (where ${hasText("t")} and not ${keyFits(chunkedSource, "t")})::float8 as key_too_long,
      (select trouble from autoembed.embedding_source where id = ${chunkedSource.id}) as problem
    from ${watchedRows(chunkedSource)} t
    ${joinQueue(chunkedSource, "t")}
    left join lateral (
      select count(*) as count, count(*) filter (where p.${sql.id(chunkedSource.vectorColumn)} is not null and not ${isQueued(chunkedSource.embeddedBy, sql`p.passage_id::text`)}) as embedded
      from ${vectorTableOf(chunkedSource)} p where ${isHeldRow(chunkedSource, "p", "t")} offset 0
    ) p on true`.execute(db);
  const [counted] = rows;
  if (counted === undefined) throw new Error("a count gave no row");
  return {
    ...NONE_STALE,
    ...counted,
    not_queued: (await isBeingCut(db, chunkedSource)) ? 0 : counted.not_queued,
  };
}

/** A backfill queues the texts to cut some at a time: while it does, those that are not queued yet need nobody. */
async function isBeingCut(db: Database, { id, embeddedBy }: ChunkedSource): Promise<boolean> {
  return !(await hasAtMostPending(db, { id }, 0)) || !(await hasAtMostPending(db, { id: embeddedBy }, 0));
}
