import { sql } from "kysely";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { checkDimensions } from "../sources/check-dimensions.ts";
import { withProvider } from "../providers/registry.ts";
import { packTexts } from "../providers/isolate/pack.ts";
import { isQueued } from "../queue/is-queued.ts";
import {
  distance,
  hasText,
  isSameVector,
  keyMatches,
  queueKey,
  rowsWithVectors,
  vectorType,
} from "../sources/source-sql.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import type { Source } from "../sources/source.ts";

export interface VerifyReport {
  readonly source: string;
  readonly model: string;
  /** Rows whose text was embedded again. */
  readonly sampled: number;
  /** Cosine similarity between the stored vector and the new one: 1 is the same direction. */
  readonly cosine: { readonly lowest: number; readonly median: number };
  /** Keys of the rows below `minCosine`, the worst first, at most ten. */
  readonly drifted: readonly { readonly key: string; readonly cosine: number }[];
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
  return await withProvider(config, source, { signal: options.signal }, async (provider) => {
    checkDimensions(source, provider);
    const sample = await withPerRowFallback(source, (source) =>
      sampleRows(db, source, options.sample, provider.limits.textCharacters),
    );
    const limits = {
      ...provider.limits,
      inputs: Math.min(config.EMBED_BATCH_SIZE, provider.limits.inputs),
    };
    const cosines: { key: string; cosine: number }[] = [];
    const overlaps: number[] = [];
    const packed = packTexts(
      sample.map(({ text }) => text),
      limits,
    );
    for (const { texts, positions } of packed) {
      const { vectors } = await provider.embed(texts, "document", options.signal);
      for (const [i, rows] of positions.entries()) {
        const fresh = `[${vectors.at(i).join(",")}]`;
        for (const position of rows) {
          const key = sample[position]?.key;
          if (key === undefined) continue;
          const cosine = await cosineWith(db, source, key, fresh);
          if (cosine === undefined) continue; // deleted or cleared since the sample was taken
          cosines.push({ key, cosine });
          options.onCompared?.(cosines.length, sample.length);
          if (overlaps.length === SEARCHES) continue;
          const overlap = await overlapOf(db, source, key, fresh);
          if (overlap !== undefined) overlaps.push(overlap);
        }
      }
    }
    return report(source, provider.model, cosines, overlaps, options);
  });
}

async function sampleRows(db: Database, source: Source, sample: number, maxCharacters: number) {
  const { rows } = await sql<{ key: string; text: string }>`
    select ${queueKey(source, "t")} as key, left(t.content, ${maxCharacters}) as text from ${rowsWithVectors(source)} t
    where t.vector is not null and ${hasText("t")}
      and not ${isQueued(source.id, queueKey(source, "t"))}
    order by random() limit ${sample}`.execute(db);
  return rows;
}

/** Cosine similarity. A vector of zeros has no direction, so its cosine is NaN: 1 with another of zeros, else 0. */
async function cosineWith(
  db: Database,
  source: Source,
  key: string,
  fresh: string,
): Promise<number | undefined> {
  const vector = sql`${fresh}::${vectorType(source)}`;
  const { rows } = await sql<{ cosine: number }>`
    select case when ${isSameVector(source, sql`t.vector`, vector)} then 1 else coalesce(nullif(1 - (${distance(source, sql`t.vector`, vector)}), 'NaN'), 0) end as cosine
    from (select ${key}::text as key) q join ${rowsWithVectors(source)} t on ${keyMatches(source, "t", "q")}
    where t.vector is not null`.execute(db);
  return rows[0]?.cosine;
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
  model: string,
  cosines: readonly { key: string; cosine: number }[],
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
    ok: drifted.length === 0 && (overlaps.length === 0 || mean >= minOverlap),
  };
}
