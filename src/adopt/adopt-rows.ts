import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { LedgerModel } from "../ledger/model.ts";
import { adoptVectors } from "../queue/adopt-vectors.ts";
import { isAfter, keyDescending, keyTexts, type KeyTexts } from "../sources/key-order.ts";
import { keysOf, watchedKeys } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

import { copyVectors } from "./copy-vectors.ts";
import type { Kept } from "./found.ts";

/** Rows that one statement looks at: as many as a page of a backfill. */
const PAGE_ROWS = 1_024;

/**
 * Enters the vectors of all rows in the ledger, as another tool's, page by page, and copies them where they cannot stay. Rows
 * that are queued are left out of the ledger.
 * @returns the number of rows that are in the ledger without a model
 */
export async function adoptRows(
  db: Database,
  source: Source,
  { kept, model, signal }: { readonly kept: Kept; readonly model: LedgerModel; readonly signal: AbortSignal },
): Promise<number> {
  let after: KeyTexts | null = null;
  for (;;) {
    signal.throwIfAborted();
    const upto: KeyTexts | null = await lastOfPage(db, source, after);
    if (upto === null) break;
    if (kept.as === "copy") await copyVectors(db, source, kept, { after, upto });
    await adoptVectors(db, source, model, { after, upto });
    after = upto;
  }
  const { rows } = await sql<{ adopted: number }>`
    select count(*)::float8 as adopted from autoembed.embedding_ledger
    where source_id = ${source.id} and model_id is null`.execute(db);
  return rows[0]?.adopted ?? 0;
}

async function lastOfPage(db: Database, source: Source, after: KeyTexts | null): Promise<KeyTexts | null> {
  const { rows } = await sql<{ last: KeyTexts }>`
    with page as materialized (
      select t.*, ${keyTexts(source, "t")} as key_texts from ${watchedKeys(source)} t
      where ${after === null ? sql`true` : isAfter(source, "t", after)}
      order by ${keysOf(source, "t")} limit ${PAGE_ROWS}
    ) select t.key_texts as last from page t order by ${keyDescending(source, "t")} limit 1`.execute(db);
  return rows[0]?.last ?? null;
}
