import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { LedgerModel } from "../ledger/model.ts";
import { isToEmbed, joinKnown, modelSql } from "../ledger/stale-rows.ts";
import { isQueuedAndOpen, isQueuedByLookup, isToWorkOn } from "../queue/is-queued.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { isAfter, keyDescending, keyTexts, type KeyTexts } from "../sources/key-order.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import {
  chunkRows,
  isSameRow,
  keysOf,
  queueKey,
  rowsWithVectors,
  watchedTexts,
} from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { isToCut, joinChunks } from "./queue-stale-chunked-rows.ts";

/** Texts that one statement reads, so that counting can be interrupted. */
const TEXTS_AT_ONCE = 1_000;

/** Of texts in chunks, so many that a backfill works on. */
export interface TextsToDo {
  /** Queued, or to be queued and cut. */
  readonly toCut: number;
  /** Not these, and without a pending chunk, with one that the backfill of the chunks embeds. */
  readonly toEmbed: number;
}

interface Part extends TextsToDo {
  /** The key of its last text; null where there was none. */
  readonly last: KeyTexts | null;
}

interface Extent {
  /** Every text is cut again. */
  readonly isAll: boolean;
  /** Since when every chunk is embedded: see `allSince`. */
  readonly since: string | undefined;
}

/**
 * Counts the texts in chunks that a backfill works on. Reads both tables whole.
 * @param embedder the source of the chunks
 * @yields the texts of each part of the table
 */
export async function* countTextsLeft(
  db: Database,
  chunkedSource: ChunkedSource,
  embedder: Source,
  model: LedgerModel,
  { isAll, since }: Extent,
): AsyncGenerator<TextsToDo> {
  let after: KeyTexts | null = null;
  do {
    const part: Part = await countPart(db, chunkedSource, embedder, model, { isAll, since }, after);
    yield part;
    after = part.last;
  } while (after !== null);
}

async function countPart(
  db: Database,
  chunkedSource: ChunkedSource,
  embedder: Source,
  model: LedgerModel,
  { isAll, since }: Extent,
  after: KeyTexts | null,
): Promise<Part> {
  const known = modelSql(model);
  const chunkKey = queueKey(embedder, "t");
  const isStale = isToEmbed(embedder, known, since === undefined ? undefined : sql`${since}::timestamptz`);
  const isEmbedded = sql<boolean>`${isStale} and not ${isQueuedByLookup(embedder.id, chunkKey)}`;
  return await withPerRowFallback(chunkedSource, async (source) => {
    const isCut = isToWorkOn(chunkedSource, queueKey(source, "d"), isToCut("d", isAll));
    const hasChunk = (condition: typeof isCut) => sql<boolean>`exists (
        select from ${chunkRows(source)} c join ${rowsWithVectors(embedder)} t on t.k0 = c.passage_id
        ${joinKnown(embedder, known)} where ${isSameRow(source, "c", "d")} and ${condition})`;
    const { rows } = await sql<Part>`
      with part as materialized (
        select d.* from ${watchedTexts(source)} d
        where ${after === null ? sql`true` : isAfter(source, "d", after)}
        order by ${keysOf(source, "d")} limit ${TEXTS_AT_ONCE}
      ), classified as materialized (
        select ${isCut} as is_cut, ${hasChunk(isEmbedded)}
          and not ${hasChunk(isQueuedAndOpen(embedder.id, chunkKey))} as is_embedded
        from part d ${joinChunks(chunkedSource, "d")}
      )
      select (count(*) filter (where is_cut))::float8 as "toCut",
        (count(*) filter (where is_embedded and not is_cut))::float8 as "toEmbed",
        (select ${keyTexts(source, "d")} from part d order by ${keyDescending(source, "d")} limit 1) as last
      from classified`.execute(db);
    return rows[0] ?? { toCut: 0, toEmbed: 0, last: null };
  });
}
