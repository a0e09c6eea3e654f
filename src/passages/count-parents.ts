import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { SourceStatus } from "../status/collect-status.ts";
import { hasText, isHeldRow, queueKey, vectorTableOf, watchedRows } from "../sources/source-sql.ts";
import type { Splitter } from "./splitter.ts";

/** Rows with a text, and those whose passages are all there and embedded. Reads both tables whole. */
export async function countParents(
  db: Database,
  splitter: Splitter,
): Promise<Pick<SourceStatus, "rows" | "current" | "trouble">> {
  const { rows } = await sql<Pick<SourceStatus, "rows" | "current" | "trouble">>`
    select count(*) filter (where ${hasText("t")})::int as rows,
      count(*) filter (where ${hasText("t")} and q.key is null and p.count > 0 and p.embedded = p.count)::int as current,
      (select trouble from embedding_source where id = ${splitter.id}) as trouble
    from ${watchedRows(splitter)} t
    left join embedding_queue q on q.source_id = ${splitter.id} and q.key = ${queueKey(splitter, "t")}
    left join lateral (
      select count(*) as count, count(*) filter (where p.${sql.id(splitter.vectorColumn)} is not null and not exists (
        select from embedding_queue e where e.source_id = ${splitter.embeddedBy} and e.key = p.passage_id::text)) as embedded
      from ${vectorTableOf(splitter)} p where ${isHeldRow(splitter, "p", "t")} offset 0
    ) p on true`.execute(db);
  const [counted] = rows;
  if (counted === undefined) throw new Error("a count gave no row");
  return counted;
}
