import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { vectorHash } from "../ledger/ledger-sql.ts";
import type { LedgerModel } from "../ledger/model.ts";
import type { Page } from "../pages/take-page.ts";
import { isAfter, isUpTo } from "../sources/key-order.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import {
  hasText,
  isSameRow,
  isSameVector,
  isUnchanged,
  keysOf,
  queueKey,
  rowsWithVectors,
  textHash,
  vectorType,
  watchedRows,
} from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { isQueuedByLookup } from "./is-queued.ts";

/**
 * Enters in the ledger the vectors of a page that it does not know: as this model's where the cache says that it made
 * them, else as another tool's. From then on a text that changes while the triggers are off is noticed. Rows that are
 * queued, or being deleted, are left out.
 */
export async function adoptVectors(
  db: Database,
  source: Source,
  model: LedgerModel,
  { after, upto }: Pick<Page, "after" | "upto">,
): Promise<void> {
  const key = queueKey(source, "t");
  const isKnown = sql`exists (select from autoembed.embedding_ledger l
        where l.source_id = ${source.id} and l.key = ${key} offset 0)`;
  const isOurs = sql`coalesce(${isSameVector(source, sql`e.embedding::${vectorType(source)}`, sql`t.vector`)}, false)`;
  // The keys only are joined with what is locked, behind `offset 0`: Postgres copies, and keeps, every column of them.
  await withPerRowFallback(source, async (source) => {
    await sql`
    with unknown as materialized (
      select t.*, ${key} as key, ${textHash("t")} as text_hash from ${rowsWithVectors(source)} t
      where ${after === null ? sql`true` : isAfter(source, "t", after)} and ${isUpTo(source, "t", upto)} and t.vector is not null and t.fault is null and ${hasText("t")}
        and not ${isKnown} and not ${isQueuedByLookup(source.id, key)} and ${isUnchanged(source)}
    ), present as materialized (
      select ${queueKey(source, "w")} as key from (select ${keysOf(source, "t")} from unknown t offset 0) t
      join ${watchedRows(source)} w on ${isSameRow(source, "w", "t")} for key share of w skip locked
    )
    insert into autoembed.embedding_ledger (source_id, model_id, text_hash, vector_hash, key)
    select ${source.id}, case when e.is_ours then ${model.id}::int end, t.text_hash,
      case when e.is_ours then ${vectorHash(source, sql`t.vector`)} end, t.key
    from unknown t
    left join lateral (
      select ${isOurs} as is_ours from autoembed.embedding_cache e
      where e.model = any(${model.cacheNames}::text[]) and e.text_hash = t.text_hash limit 1 offset 0
    ) e on true
    where t.key = any(array(select p.key from present p)) and e.is_ours is distinct from false
    order by t.key
    on conflict (source_id, key) do nothing`.execute(db);
  });
}
