import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { adoptVectors } from "./adopt-vectors.ts";
import type { LedgerModel } from "../ledger/model.ts";
import { isStale, joinKnown } from "../ledger/stale-rows.ts";
import { enqueueByPages, enqueuePage } from "../queue/enqueue-pages.ts";
import { uncacheDeleted, unrecordDeleted } from "../queue/forget-deleted.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import type { Source } from "../sources/source.ts";
import { hasText, rowsWithVectors } from "../sources/source-sql.ts";

export interface FindWorkOptions {
  readonly source: Source;
  readonly model: LedgerModel;
  /** Queues every row, even if it has a current vector. */
  readonly all: boolean;
  /** Ends the wait for locked rows. */
  readonly signal: AbortSignal;
}

/**
 * Queues the rows of a source that have no current vector, page by page in key order: a text without a vector, a vector
 * without a text, and a vector that is of an old text or an old setting, as the ledger knows. A vector that the ledger does
 * not know is entered in it as another tool's, and what is left of deleted rows is removed. Rows that are already queued, pending or failed, stay as they are.
 * @yields the number of rows that each page added.
 */
export async function* queueStaleRows(db: Database, options: FindWorkOptions): AsyncGenerator<number> {
  const { source, model, all, signal } = options;
  await unrecordDeleted(db, source);
  await uncacheDeleted(db, source);
  yield* enqueueByPages(
    (from) =>
      withPerRowFallback(source, (source) =>
        enqueuePage(
          db,
          source,
          {
            rows: rowsWithVectors(source),
            stale: all
              ? sql`where t.fault is not null or ${hasText("t")} or t.vector is not null`
              : sql`${joinKnown(source, model)} where ${isStale(source, model)}`,
            also: adoptVectors(source, model),
          },
          from,
        ),
      ),
    signal,
  );
}
