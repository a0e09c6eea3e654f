import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "../database/connect.ts";
import { quoted } from "../database/identifier.ts";
import { pendingRows } from "../queue/counts.ts";
import type { Source } from "../sources/source.ts";
import { ensureIndex } from "./ensure-index.ts";
import type { BuildOptions } from "./index-builder.ts";
import { FULL, type IndexKind } from "./index-kind.ts";
import { indexShape } from "./index-shape.ts";
import { searchableIndexes, searchedIndex } from "./searched-index.ts";
import { isAlike } from "./vector-index.ts";

export interface BuiltIndex {
  readonly name: string;
  readonly built: boolean;
  readonly seconds: number;
  /** The index that searches use: this one, or one that is nearer to the exact order. */
  readonly searched: string;
}

const POLL_MS = 1_000;
/** With so few rows pending, no backfill is under way. */
const FEW_PENDING = 1_000;

export interface IndexOptions extends BuildOptions {
  /** By default `full`. */
  readonly kind?: IndexKind;
  /** Builds at once: rows that are still pending are then inserted into the graph one by one, at 8 times the cost. */
  readonly now: boolean;
}

/**
 * Builds an HNSW index that searches of a source use, after the backfill. Keeps an existing valid index of that kind.
 * @throws {SetupError} if the vectors cannot be indexed; {UsageError} if they cannot be indexed so.
 */
export async function buildIndex(db: Database, source: Source, options: IndexOptions): Promise<BuiltIndex> {
  const shape = indexShape(source, options.kind ?? FULL);
  const started = performance.now();
  const table = quoted(source.vectorTable ?? source);
  const present = (await searchableIndexes(db, source)).find((index) => isAlike(index, shape));
  if (present === undefined && !options.now) await waitForBackfill(db, source, options);
  const name = present?.name ?? (await ensureIndex({ table, column: source.vectorColumn, shape }, options));
  const seconds = (performance.now() - started) / 1000;
  const searched = (await searchedIndex(db, source))?.name ?? name;
  return { name, built: present === undefined, seconds, searched };
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
