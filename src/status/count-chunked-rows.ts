import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isQueued, joinQueue } from "../queue/is-queued.ts";
import { NONE_OUTDATED, type CountedRows } from "./source-status.ts";
import { hasText, isHeldRow, vectorTableOf, watchedRows } from "../sources/source-sql.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";

/** Counts the rows with a text and those whose chunks are all stored and embedded. Reads both tables whole. */
export async function countChunkedRows(db: Database, chunkedSource: ChunkedSource): Promise<CountedRows> {
  const { rows } = await sql<Pick<CountedRows, "rows" | "current" | "problem">>`
    select count(*) filter (where ${hasText("t")})::int as rows,
      count(*) filter (where ${hasText("t")} and q.key is null and p.count > 0 and p.embedded = p.count)::int as current,
      (select trouble from autoembed.embedding_source where id = ${chunkedSource.id}) as problem
    from ${watchedRows(chunkedSource)} t
    ${joinQueue(chunkedSource, "t")}
    left join lateral (
      select count(*) as count, count(*) filter (where p.${sql.id(chunkedSource.vectorColumn)} is not null and not ${isQueued(chunkedSource.embeddedBy, sql`p.passage_id::text`)}) as embedded
      from ${vectorTableOf(chunkedSource)} p where ${isHeldRow(chunkedSource, "p", "t")} offset 0
    ) p on true`.execute(db);
  const [counted] = rows;
  if (counted === undefined) throw new Error("a count gave no row");
  return { ...NONE_OUTDATED, ...counted };
}
