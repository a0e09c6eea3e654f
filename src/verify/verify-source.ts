import { sql } from "kysely";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { distance, keyMatches, rowsWithVectors, vectorType } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { compareSample, type Compared, type ComparedSample } from "./compare-sample.ts";

export interface VerifyReport {
  readonly source: string;
  readonly model: string;
  /** Rows whose text was embedded again. */
  readonly sampled: number;
  /** Rows that are left out, since the provider refuses their texts. */
  readonly refused: number;
  /** Cosine similarity between the stored vector and the new one: 1 is the same direction. */
  readonly cosine: { readonly lowest: number; readonly median: number };
  /** Keys of the rows below `minCosine`, the worst first, at most ten. */
  readonly drifted: readonly Compared[];
  readonly drifted_rows: number;
  /** The share of the ten nearest rows that stays the same when a search uses a row's new vector instead of the stored. */
  readonly overlap: { readonly searches: number; readonly mean: number; readonly lowest: number };
  readonly ok: boolean;
}

export interface VerifyOptions {
  readonly sample: number;
  readonly minCosine: number;
  /** The least mean top-10 overlap that passes. */
  readonly minOverlap: number;
  readonly signal: AbortSignal;
  /** Receives how many rows of the sample are compared. */
  readonly onCompared?: (done: number, total: number) => void;
}

/** Without an index, each search reads the whole table: so only as many as a mean needs. */
const SEARCHES = 50;
const SHOWN = 10;
const NEIGHBOURS = 10;

/** Embeds a random sample again, without the cache, and compares the stored vectors with it. Writes nothing. */
export async function verifySource(
  db: Database,
  config: Config,
  source: Source,
  options: VerifyOptions,
): Promise<VerifyReport> {
  let done = 0;
  const overlaps: number[] = [];
  const sample = await compareSample(db, config, source, {
    sample: options.sample,
    signal: options.signal,
    onCompared: async ({ key }, fresh, wanted) => {
      options.onCompared?.((done += 1), wanted);
      if (overlaps.length === SEARCHES) return;
      const overlap = await overlapOf(db, source, key, fresh);
      if (overlap !== undefined) overlaps.push(overlap);
    },
  });
  return report(source, sample, overlaps, options);
}

/** Top-10 overlap. Rows at the same distance as the tenth count as the tenth. Undefined if the row's vector is gone. */
async function overlapOf(
  db: Database,
  source: Source,
  key: string,
  fresh: string,
): Promise<number | undefined> {
  const vector = sql`${fresh}::${vectorType(source)}`;
  const { rows } = await sql<{ overlap: number | null }>`
    with stored as materialized (
      select t.vector from (select ${key}::text as key) q
      join ${rowsWithVectors(source)} t on ${keyMatches(source, "t", "q")}
      where t.vector is not null
    ), before as materialized (
      select ${distance(source, sql`t.vector`, sql`(select s.vector from stored s)`)} as distance from ${rowsWithVectors(source)} t
      where t.vector is not null order by ${distance(source, sql`t.vector`, sql`(select s.vector from stored s)`)} limit ${NEIGHBOURS}
    ), after as materialized (
      select t.vector from ${rowsWithVectors(source)} t
      where t.vector is not null order by ${distance(source, sql`t.vector`, vector)} limit ${NEIGHBOURS}
    )
    select (count(*) filter (where (${distance(source, sql`a.vector`, sql`s.vector`)}) <= (select max(b.distance) + 1e-6 from before b)))::float8 / nullif(count(*), 0) as overlap
    from after a cross join stored s`.execute(db);
  return rows[0]?.overlap ?? undefined;
}

function report(
  source: Source,
  { model, compared: cosines, refused }: ComparedSample,
  overlaps: readonly number[],
  { minCosine, minOverlap }: VerifyOptions,
): VerifyReport {
  const sorted = cosines.toSorted((a, b) => a.cosine - b.cosine);
  const drifted = sorted.filter(({ cosine }) => cosine < minCosine);
  const mean = overlaps.reduce((sum, overlap) => sum + overlap, 0) / Math.max(1, overlaps.length);
  return {
    source: source.name,
    model,
    sampled: cosines.length,
    refused,
    cosine: {
      lowest: sorted[0]?.cosine ?? 1,
      median: sorted[Math.floor(sorted.length / 2)]?.cosine ?? 1,
    },
    drifted: drifted.slice(0, SHOWN),
    drifted_rows: drifted.length,
    overlap: {
      searches: overlaps.length,
      mean: overlaps.length === 0 ? 1 : mean,
      lowest: overlaps.length === 0 ? 1 : Math.min(...overlaps),
    },
    // A sample of which the provider refuses every text proves nothing.
    ok:
      drifted.length === 0 &&
      (cosines.length > 0 || refused === 0) &&
      (overlaps.length === 0 || mean >= minOverlap),
  };
}
