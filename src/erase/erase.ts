import type { Database } from "../database/connect.ts";
import { withTableLock } from "../database/with-table-lock.ts";
import { SetupError } from "../errors.ts";
import { spellingsOf } from "../queue/spellings-of.ts";
import { refusingUnreadableKeys, withReadableKeys } from "../sources/readable-keys.ts";
import type { Source } from "../sources/source.ts";
import { eraseTraces, type Traces } from "./erase-traces.ts";
import { chunkKeys, eraseChunks, eraseVector } from "./erase-vectors.ts";
import { sourcesOfRow, type ErasableSource } from "./erasable-source.ts";
import { canonicalKey, lockNamedRow, type NamedRow, type RowState } from "./named-row.ts";

export interface EraseOptions {
  readonly source: string;
  /** As the queue writes them, or as Postgres reads them. */
  readonly keys: readonly string[];
  /** Erases also where the row still has its text, which stays. */
  readonly keepsText: boolean;
  /** Undoes everything at the end. */
  readonly isDryRun: boolean;
}

/** What was removed of one row. */
export interface ErasedRow {
  readonly key: string;
  readonly row: RowState;
  readonly removed: Traces & {
    /** In the column, or the table of vectors. */
    readonly vectors: number;
    /** Of its text, with their texts and vectors. */
    readonly chunks: number;
  };
  /** A listener may have held its text: what comes back may be cached once more. */
  readonly in_flight: boolean;
  /** Its text is in a file at the provider until the batch has ended; its vector is not stored. */
  readonly in_batch: boolean;
}

export interface Erased {
  readonly source: string;
  readonly rows: readonly ErasedRow[];
  /** Other sources of the same table, which keep what they hold. */
  readonly other_sources: readonly string[];
  /** Those that embed the texts. */
  readonly embedded_by: readonly Source[];
}

/**
 * Removes what is held of rows: vectors, chunks, and every entry of queue, ledger, cache and reservations. In one
 * transaction, with the rows locked: in the order of a user's own writes.
 * @throws {SetupError} if a row still has a text, unless `keepsText`; then nothing was removed.
 */
export async function erase(db: Database, options: EraseOptions): Promise<Erased> {
  const found = await sourcesOfRow(db, options.source);
  const { keyed, same } = found;
  const spellings = new Map<string, readonly string[]>();
  for (const given of options.keys) {
    const key = await canonicalKey(db, keyed, given, options.isDryRun);
    const kept = (): Promise<string[]> => spellingsOf(db, keyed, [keyed, ...same], key);
    const readable = options.isDryRun
      ? refusingUnreadableKeys(keyed, kept)
      : withReadableKeys(db, [keyed], kept);
    spellings.set(key, await readable);
  }
  const rows = await inTransaction(db, options.isDryRun, async (transaction) => {
    const named = new Map<string, NamedRow & Spelled>();
    for (const key of [...spellings.keys()].sort()) {
      const row = await lockNamedRow(transaction, keyed, key);
      named.set(row.key, { ...row, spellings: [row.key, ...(spellings.get(key) ?? [])] });
    }
    if (!options.keepsText) refuseTexts(keyed, [...named.values()]);
    const erased: ErasedRow[] = [];
    for (const row of named.values()) erased.push(await eraseRow(transaction, found, row));
    return erased;
  });
  return {
    source: options.source,
    rows,
    other_sources: found.others,
    embedded_by: found.chunks === null ? found.same : [found.chunks],
  };
}

interface Spelled {
  /** Keys under which anything may be kept of the row. */
  readonly spellings: readonly string[];
}

async function eraseRow(
  transaction: Database,
  { keyed, same, chunked, chunks }: ErasableSource,
  { key, spellings, state, text_hash }: NamedRow & Spelled,
): Promise<ErasedRow> {
  const hashes = text_hash === null ? [] : [text_hash];
  const traces: Awaited<ReturnType<typeof eraseTraces>>[] = [];
  let vectors = 0;
  let cut: string[] = [];
  if (chunked !== null && chunks !== null) {
    cut = await chunkKeys(transaction, chunked, key);
    traces.push(await eraseTraces(transaction, { sourceId: chunks.id, keys: cut, hashes: [] }));
    await eraseChunks(transaction, chunked, key);
    traces.push(await eraseTraces(transaction, { sourceId: keyed.id, keys: spellings, hashes }));
  }
  for (const source of same) {
    traces.push(await eraseTraces(transaction, { sourceId: source.id, keys: spellings, hashes }));
    vectors += await eraseVector(transaction, source, key);
  }
  const sum = (count: keyof Traces): number => traces.reduce((total, trace) => total + trace[count], 0);
  return {
    key,
    row: state,
    removed: {
      vectors,
      chunks: cut.length,
      ledger: sum("ledger"),
      cached_vectors: sum("cached_vectors"),
      queued: sum("queued"),
      failures: sum("failures"),
      reservations: sum("reservations"),
    },
    in_flight: traces.some(({ isInFlight }) => isInFlight),
    in_batch: traces.some(({ isInBatch }) => isInBatch),
  };
}

function refuseTexts({ name }: Source, rows: readonly NamedRow[]): void {
  const texts = rows.filter(({ state }) => state === "with text");
  if (texts.length === 0) return;
  throw new SetupError(
    `Nothing was erased: ${texts.length === 1 ? "a row" : `${texts.length} rows`} of ${name} still ${texts.length === 1 ? "has its text" : "have their texts"} (key ${texts.map(({ key }) => key).join(", ")}), which would be embedded again.`,
    "Delete the row, or set its text to null, then run this again. Or give --keep-text: what was made from the text is erased, until the next backfill or change embeds it again.",
  );
}

/** Thrown to roll the transaction back. */
class DryRun<T> extends Error {
  readonly result: T;

  constructor(result: T) {
    super("a dry run");
    this.result = result;
  }
}

async function inTransaction<T>(
  db: Database,
  isDryRun: boolean,
  work: (transaction: Database) => Promise<T>,
): Promise<T> {
  try {
    return await withTableLock(db, async (transaction) => {
      const result = await work(transaction);
      if (isDryRun) throw new DryRun(result);
      return result;
    });
  } catch (error) {
    if (error instanceof DryRun) return (error as DryRun<T>).result;
    throw error;
  }
}
