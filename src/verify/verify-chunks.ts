import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isQueued, isQueuedByLookup } from "../queue/is-queued.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import {
  hasText,
  isHeldRow,
  keyMatches,
  queueKey,
  vectorTableOf,
  watchedRows,
} from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import type { VerifyOptions } from "./verify-source.ts";
import { splitText, type Chunk } from "../chunks/split-text.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";

export interface ChunksReport {
  readonly source: string;
  /** Rows whose text was cut again. */
  readonly sampled: number;
  /** Keys of rows whose chunks differ, at most ten. */
  readonly different: readonly string[];
  readonly different_rows: number;
  readonly ok: boolean;
}

const SHOWN = 10;

/** Cuts a random sample of texts again and compares the result with the stored chunks. Writes nothing, sends no request. */
export async function verifyChunks(
  db: Database,
  chunkedSource: ChunkedSource,
  { sample, signal, onCompared }: Pick<VerifyOptions, "sample" | "signal" | "onCompared">,
): Promise<ChunksReport> {
  const different: string[] = [];
  const keys = await withPerRowFallback(chunkedSource, (source) => sampleKeys(db, source, sample));
  for (const [done, key] of keys.entries()) {
    onCompared?.(done, keys.length);
    signal.throwIfAborted();
    if ((await isCutTheSame(db, chunkedSource, key)) === false) different.push(key);
  }
  return {
    source: chunkedSource.name,
    sampled: keys.length,
    different: different.slice(0, SHOWN),
    different_rows: different.length,
    ok: different.length === 0,
  };
}

async function sampleKeys(db: Database, chunkedSource: Source, sample: number): Promise<string[]> {
  const { rows } = await sql<{ key: string }>`
    select ${queueKey(chunkedSource, "t")} as key from ${watchedRows(chunkedSource)} t
    where t.fault is null and not ${isQueuedByLookup(chunkedSource.id, queueKey(chunkedSource, "t"))}
    order by random() limit ${sample}`.execute(db);
  return rows.map(({ key }) => key);
}

/** Undefined if the row was deleted or changed since the sample was taken. */
async function isCutTheSame(
  db: Database,
  chunkedSource: ChunkedSource,
  key: string,
): Promise<boolean | undefined> {
  const { rows } = await sql<{ text: string; passages: Chunk[] }>`
    select case when ${hasText("t")} then t.content else '' end as text, (
      select coalesce(json_agg(json_build_object('start', p.start_char, 'end', p.end_char, 'text', p.passage) order by p.chunk), '[]')
      from ${vectorTableOf(chunkedSource)} p where ${isHeldRow(chunkedSource, "p", "t")}) as passages
    from (select ${key}::text as key) k join ${watchedRows(chunkedSource)} t on ${keyMatches(chunkedSource, "t", "k")}
    where not ${isQueued(chunkedSource.id, sql`k.key`)}`.execute(db);
  const [row] = rows;
  if (row === undefined) return undefined;
  const expected = splitText(row.text, chunkedSource.chunkSettings);
  return (
    expected.length === row.passages.length &&
    expected.every(({ start, end, text }, i) => {
      const stored = row.passages[i];
      return stored?.start === start && stored.end === end && stored.text === text;
    })
  );
}
