import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { quoted } from "../database/identifier.ts";
import { pendingRows } from "../queue/counts.ts";
import type { Source } from "../sources/source.ts";
import { searchedShape } from "./comparable.ts";
import { ensureIndex } from "./ensure-index.ts";
import type { BuildOptions } from "./index-builder.ts";
import { indexesOn, isAlike, regclassOf } from "./vector-index.ts";

export interface BuiltIndex {
  readonly name: string;
  readonly built: boolean;
  readonly seconds: number;
}

const POLL_MS = 1_000;
/** With so few rows pending, no backfill is under way. */
const FEW_PENDING = 1_000;

/**
 * Builds the HNSW index that searches of a source use, by cosine distance, after the backfill. Keeps an existing valid
 * index.
 * @param options `now` builds at once: rows that are still pending are then inserted into the graph one by one, at 8
 * times the cost.
 * @throws {SetupError} if the vectors cannot be indexed.
 */
export async function buildIndex(
  db: Database,
  source: Source,
  options: BuildOptions & { readonly now: boolean },
): Promise<BuiltIndex> {
  const shape = searchedShape(source);
  const started = performance.now();
  const table = quoted(source.vectorTable ?? source);
  const indexes = await indexesOn(db, sql`(select ${regclassOf(source)})`, source.vectorColumn);
  const present = indexes.find((index) => index.valid && isAlike(index, { ...shape, method: index.method }));
  if (present === undefined && !options.now) await waitForBackfill(db, source, options);
  const name = present?.name ?? (await ensureIndex({ table, column: source.vectorColumn, shape }, options));
  return { name, built: present === undefined, seconds: (performance.now() - started) / 1000 };
}

async function waitForBackfill(
  db: Database,
  source: Source,
  { onProgress, signal }: BuildOptions,
): Promise<void> {
  for (;;) {
    const pending = await pendingRows(db, [source]);
    if (pending <= FEW_PENDING) return;
    onProgress(
      `waiting for ${pending} pending rows: an index built after them costs an eighth (--now starts at once)`,
    );
    await delay(POLL_MS, undefined, { signal });
  }
}
