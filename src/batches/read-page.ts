import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { hasVector } from "../ledger/ledger-sql.ts";
import type { LedgerModel } from "../ledger/model.ts";
import { isToEmbed, joinKnown, modelSql } from "../ledger/stale-rows.ts";
import type { TakenPage } from "../pages/take-page.ts";
import { isQueuedByLookup } from "../queue/is-queued.ts";
import { columnsOf, isAfter, isUpTo, type KeyTexts } from "../sources/key-order.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import { hasText, isUnchanged, keysOf, queueKey, rowsWithVectors, textHash } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

/** Rows that are read at a time: their texts are held. */
const ROWS = 128;

/** A row of a page that has no current vector. */
export interface PageRow {
  readonly key: string;
  /** sha256 of its text in hex; null where there is none. */
  readonly hash: string | null;
  /** Null where the text is not for a batch: it is blank, too long or unreadable, or another row or the cache has its vector. */
  readonly text: string | null;
}

/** Reads the rows of a page that are to be embedded and are not queued, in key order. */
export async function* readPage(
  db: Database,
  source: Source,
  page: TakenPage,
  { model, textCharacters }: { readonly model: LedgerModel; readonly textCharacters: number },
): AsyncGenerator<PageRow> {
  let after = page.after;
  for (;;) {
    const rows = await readRows(db, source, { ...page, after }, model, textCharacters);
    yield* rows;
    const last = rows.at(-1);
    if (rows.length < ROWS || last === undefined) return;
    after = columnsOf(source, last.key);
  }
}

async function readRows(
  db: Database,
  source: Source,
  { after, upto, all_since }: { after: KeyTexts | null; upto: KeyTexts; all_since: string | null },
  model: LedgerModel,
  textCharacters: number,
): Promise<PageRow[]> {
  const known = modelSql(model);
  const since = all_since === null ? undefined : sql`${all_since}::timestamptz`;
  return await withPerRowFallback(source, async (source) => {
    const key = queueKey(source, "t");
    const { rows } = await sql<PageRow>`
      with stale as materialized (
        select t.*, ${key} as key, ${textHash("t")} as text_hash
        from ${rowsWithVectors(source)} t ${joinKnown(source, known)}
        where ${after === null ? sql`true` : isAfter(source, "t", after)} and ${isUpTo(source, "t", upto)}
          and ${isUnchanged(source)} and not ${isQueuedByLookup(source.id, key)} and ${isToEmbed(source, known, since)}
        order by ${keysOf(source, "t")} limit ${ROWS}
      )
      select t.key, encode(t.text_hash, 'hex') as hash,
        case when t.fault is null and ${hasText("t")} and char_length(t.content) <= ${textCharacters}::int
          and not ${hasVector(sql`t.text_hash`, model, source)} then t.content end as text
      from stale t order by ${keysOf(source, "t")}`.execute(db);
    return rows;
  });
}
