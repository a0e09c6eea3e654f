import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { LedgerModel } from "../ledger/model.ts";
import { isToEmbed, joinKnown, modelSql } from "../ledger/stale-rows.ts";
import { isQueued } from "../queue/is-queued.ts";
import { isAfter, keyDescending, keyTexts, type KeyTexts } from "../sources/key-order.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import { keysOf, queueKey, rowsWithVectors } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

/** Rows that one statement reads, so that counting can be interrupted. */
const ROWS_AT_ONCE = 20_000;

/**
 * Counts the rows that a backfill embeds. Reads the whole table.
 * @param allSince see `allSince`
 * @yields the rows of each part of the table
 */
export async function* countRowsLeft(
  db: Database,
  source: Source,
  model: LedgerModel,
  allSince: string | undefined,
): AsyncGenerator<number> {
  let after: KeyTexts | null = null;
  do {
    const part: Part = await withPerRowFallback(source, (source) =>
      countPart(db, source, model, allSince, after),
    );
    yield part.stale;
    after = part.last;
  } while (after !== null);
}

interface Part {
  readonly stale: number;
  /** The key of its last row; null where there was none. */
  readonly last: KeyTexts | null;
}

async function countPart(
  db: Database,
  source: Source,
  model: LedgerModel,
  allSince: string | undefined,
  after: KeyTexts | null,
): Promise<Part> {
  const known = modelSql(model);
  const isCounted = isToEmbed(
    source,
    known,
    allSince === undefined ? undefined : sql`${allSince}::timestamptz`,
  );
  const { rows } = await sql<Part>`
    with part as materialized (
      select ${keysOf(source, "t")}, ${queueKey(source, "t")} as key, ${isCounted} as is_counted
      from ${rowsWithVectors(source)} t ${joinKnown(source, known)}
      where ${after === null ? sql`true` : isAfter(source, "t", after)}
      order by ${keysOf(source, "t")} limit ${ROWS_AT_ONCE}
    )
    select (select count(*) from part t where t.is_counted and not ${isQueued(source.id, sql`t.key`)})::float8 as stale,
      (select ${keyTexts(source, "t")} from part t order by ${keyDescending(source, "t")} limit 1) as last`.execute(
    db,
  );
  return rows[0] ?? { stale: 0, last: null };
}
