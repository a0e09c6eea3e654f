import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { isOfValue } from "../database/database-fault.ts";
import { isOfOldModel, isOfOldText, lendersOfCurrent } from "../ledger/stale-rows.ts";
import { isQueued, joinQueue } from "../queue/is-queued.ts";
import { isClaimed, isFailed, isPending } from "../queue/row-state.ts";
import { isChunked, type ChunkedSource } from "../sources/chunked-source.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import {
  hasText,
  isHeldRow,
  keyMatches,
  queueKey,
  rowsWithVectors,
  vectorTableOf,
  watchedTexts,
} from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

/** What is known of one row. Ages are in seconds. */
export interface RowState {
  /** As the row has it: another spelling may have been asked for. */
  readonly key: string;
  readonly state: "pending" | "claimed" | "failed" | "not queued";
  /** Of a row that is queued. */
  readonly attempts: number | null;
  readonly queued_seconds: number | null;
  /** Until a listener may take it; 0 or less if it may take it now. */
  readonly wait_seconds: number | null;
  readonly failed_seconds: number | null;
  /** Why it failed, never the text. */
  readonly reason: string | null;
  readonly has_text: boolean;
  readonly characters: number | null;
  /** SQLSTATE of a text that cannot be computed. */
  readonly fault: string | null;
  /** Of a text in chunks, its chunks; else 1. */
  readonly parts: number;
  /** How many of them have a vector. */
  readonly embedded: number;
  readonly embedded_seconds: number | null;
  /** `embedding_model.name`; null if another tool made the vector, and for a text in chunks. */
  readonly model: string | null;
  readonly is_old_text: boolean;
  readonly is_old_setting: boolean;
  /** The beginning of the text, if it was asked for. */
  readonly text: string | null;
}

/** Characters of a text that are read. */
const SHOWN_CHARACTERS = 10_000;

/** The row with that key, as the queue writes keys; undefined if the table has none. */
export async function readRow(
  db: Database,
  source: Source | ChunkedSource,
  key: string,
  withText: boolean,
): Promise<RowState | undefined> {
  try {
    return await withPerRowFallback(source, (source) => readOnce(db, source, key, withText));
  } catch (error) {
    // The text is evaluated on its own now: what cannot be read is the key.
    if (isOfValue(error)) return undefined;
    throw error;
  }
}

async function readOnce(
  db: Database,
  source: Source | ChunkedSource,
  key: string,
  withText: boolean,
): Promise<RowState | undefined> {
  const { rows } = await sql<RowState>`
    select ${queueKey(source, "t")} as key, case when ${isFailed()} and q.key is not null then 'failed' when ${isClaimed()} then 'claimed'
        when ${isPending()} and q.key is not null then 'pending' else 'not queued' end as state,
      q.attempts::float8, q.last_error as reason, ${secondsSince(sql`q.queued_at`)} as queued_seconds,
      -${secondsSince(sql`q.not_before`)} as wait_seconds, ${secondsSince(sql`q.failed_at`)} as failed_seconds,
      ${hasText("t")} as has_text, char_length(t.content)::float8 as characters, t.fault,
      v.parts::float8, v.embedded::float8, ${secondsSince(sql`l.embedded_at`)} as embedded_seconds, m.name as model,
      v.embedded > 0 and ${isOfOldText} as is_old_text,
      v.embedded > 0 and c.lenders is not null and ${isOfOldModel(sql`c.lenders`)} as is_old_setting,
      ${withText ? sql`left(t.content, ${SHOWN_CHARACTERS})` : sql`null::text`} as text
    from (select ${key}::text as key) asked
    join ${isChunked(source) ? watchedTexts(source) : rowsWithVectors(source)} t on ${keyMatches(source, "t", "asked")}
    ${joinQueue(source, "t")}
    left join autoembed.embedding_ledger l on l.source_id = ${source.id} and l.key = ${queueKey(source, "t")}
    left join autoembed.embedding_model m on m.id = l.model_id
    cross join (${lendersOfCurrent(source)}) c
    cross join lateral (${isChunked(source) ? chunksOf(source) : sql`select 1 as parts, (t.vector is not null)::int as embedded`}) v`.execute(
    db,
  );
  return rows[0];
}

function secondsSince(time: RawBuilder<unknown>): RawBuilder<number> {
  return sql`extract(epoch from now() - ${time})::float8`;
}

/** The chunks of the row `t`, and how many of them are embedded. */
function chunksOf(source: ChunkedSource): RawBuilder<unknown> {
  const isEmbedded = sql`p.${sql.id(source.vectorColumn)} is not null and not ${isQueued(source.embeddedBy, sql`p.passage_id::text`)}`;
  return sql`select count(*) as parts, count(*) filter (where ${isEmbedded}) as embedded
      from ${vectorTableOf(source)} p where ${isHeldRow(source, "p", "t")} offset 0`;
}
