import { sql, type RawBuilder } from "kysely";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { embedWithBisection } from "../providers/isolate/bisect.ts";
import type { EmbedResult } from "../providers/isolate/embed-result.ts";
import { packTexts } from "../providers/isolate/pack.ts";
import type { Provider } from "../providers/provider.ts";
import { withProvider } from "../providers/with-provider.ts";
import { onTooLong } from "../providers/source-settings.ts";
import { isQueued } from "../queue/is-queued.ts";
import { checkDimensions } from "../sources/check-dimensions.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import {
  distance,
  hasText,
  isSameVector,
  keyMatches,
  queueKey,
  rowsWithVectors,
  vectorType,
} from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

export interface Compared {
  /** As the queue writes it. */
  readonly key: string;
  /** Cosine similarity between the stored vector and the new one: 1 is the same direction. */
  readonly cosine: number;
}

interface CompareOptions {
  /** Rows, at most. */
  readonly sample: number;
  /** Selects the `key` of rows that are left out, as the queue writes it. */
  readonly without?: RawBuilder<unknown> | undefined;
  readonly signal: AbortSignal;
  /** Receives each comparison, with the new vector as SQL reads it, and how many are wanted. */
  readonly onCompared?: (compared: Compared, fresh: string, wanted: number) => Promise<void>;
}

export interface ComparedSample {
  readonly model: string;
  readonly compared: readonly Compared[];
  /** Rows that are left out, since the provider refuses their texts. */
  readonly refused: number;
}

/** Embeds a random sample again, without the cache, and compares the stored vectors with it. Writes nothing. */
export async function compareSample(
  db: Database,
  config: Config,
  source: Source,
  { sample: size, without, signal, onCompared }: CompareOptions,
): Promise<ComparedSample> {
  return await withProvider(config, source, { signal, isPatient: true }, async (provider) => {
    checkDimensions(source, provider);
    const sample = await withPerRowFallback(source, (source) =>
      sampleRows(db, source, size, provider.limits.textCharacters, without),
    );
    const compared: Compared[] = [];
    let refused = 0;
    const packed = packTexts(
      sample.map(({ text }) => text),
      requestLimits(config, provider),
    );
    for (const { texts, positions } of packed) {
      const compare = async (result: EmbedResult): Promise<void> => {
        if (result.kind === "refused") {
          refused += positions[result.index]?.length ?? 0;
          return;
        }
        for (const [i, index] of result.indices.entries()) {
          const fresh = `[${result.vectors.at(i).join(",")}]`;
          for (const position of positions[index] ?? []) {
            const key = sample[position]?.key;
            if (key === undefined) continue;
            const cosine = await cosineWith(db, source, key, fresh);
            if (cosine === undefined) continue; // deleted or cleared since the sample was taken
            compared.push({ key, cosine });
            await onCompared?.({ key, cosine }, fresh, sample.length);
          }
        }
      };
      // As they were sent: what is too long was cut.
      await embedWithBisection(provider, texts, signal, compare, { onTooLong: onTooLong(config, source) });
    }
    return { model: provider.model, compared, refused };
  });
}

function requestLimits(config: Config, { limits }: Provider): Provider["limits"] {
  return { ...limits, inputs: Math.min(config.EMBED_BATCH_SIZE, limits.inputs) };
}

async function sampleRows(
  db: Database,
  source: Source,
  size: number,
  maxCharacters: number,
  without: RawBuilder<unknown> | undefined,
): Promise<{ readonly key: string; readonly text: string }[]> {
  const key = queueKey(source, "t");
  const isLeftOut = without === undefined ? sql`false` : sql`${key} in (${without})`;
  const { rows } = await sql<{ key: string; text: string }>`
    select ${key} as key, left(t.content, ${maxCharacters}) as text from ${rowsWithVectors(source)} t
    where t.vector is not null and ${hasText("t")}
      and not ${isQueued(source.id, key)} and not ${isLeftOut}
    order by random() limit ${size}`.execute(db);
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
