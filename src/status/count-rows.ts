import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { databaseFault, describeDatabaseError, isOfEveryTable } from "../database/database-fault.ts";
import { invocation } from "../invocation.ts";
import { isOfOldModel, isOfOldText, lendersOfCurrent } from "../ledger/stale-rows.ts";
import { joinQueue } from "../queue/is-queued.ts";
import { isChunked, type ChunkedSource } from "../sources/chunked-source.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import { hasText, keyFits, queueKey, rowsWithVectors } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { countChunkedRows } from "./count-chunked-rows.ts";
import { NONE_STALE, type CountedRows } from "./source-status.ts";

/** Counts the rows with a text and those that are current; of a text in chunks, all must be embedded. Reads the whole table. */
export async function countRows(db: Database, source: Source | ChunkedSource): Promise<CountedRows> {
  return await withPerRowFallback(source, (source) =>
    isChunked(source) ? countChunkedRows(db, source) : countRowsOnce(db, source),
  );
}

async function countRowsOnce(db: Database, source: Source): Promise<CountedRows> {
  const isEmbedded = sql`t.vector is not null and q.key is null and ${hasText("t")}`;
  const isOfCurrent = sql`(m.lenders is null or not ${isOfOldModel(sql`m.lenders`)})`;
  const { rows } = await sql<CountedRows>`
    select count(*) filter (where ${hasText("t")})::float8 as rows,
      count(*) filter (where ${isEmbedded} and not ${isOfOldText} and ${isOfCurrent})::float8 as current,
      count(*) filter (where t.vector is null and q.key is null and ${hasText("t")} and ${keyFits(source, "t")})::float8 as not_queued,
      count(*) filter (where ${hasText("t")} and not ${keyFits(source, "t")})::float8 as key_too_long,
      count(*) filter (where ${isEmbedded} and ${isOfOldText})::float8 as old_text,
      count(*) filter (where ${isEmbedded} and not ${isOfOldText} and not ${isOfCurrent})::float8 as old_setting,
      count(*) filter (where ${isEmbedded} and l.model_id is null)::float8 as adopted,
      (select trouble from autoembed.embedding_source where id = ${source.id}) as problem
    from ${rowsWithVectors(source)} t
    ${joinQueue(source, "t")}
    left join autoembed.embedding_ledger l on l.source_id = ${source.id} and l.key = ${queueKey(source, "t")}
    cross join (${lendersOfCurrent(source)}) m`.execute(db);
  const [counted] = rows;
  if (counted === undefined) throw new Error("a count gave no row");
  return counted;
}

/** What this role may not read, what is locked, or no longer as it was, is a problem of its own source: the others are counted. */
export function uncounted({ schema, table }: Source, error: unknown): CountedRows {
  if (isOfEveryTable(error)) throw error;
  const advice =
    databaseFault(error) === "server" ? "Ask again in a while" : `${invocation("doctor")} says what to do`;
  const problem = `the rows of ${schema}.${table} cannot be counted: ${describeDatabaseError(error)}. ${advice}`;
  return { rows: 0, current: 0, ...NONE_STALE, problem };
}
