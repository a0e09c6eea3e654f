import { sql } from "kysely";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { checkDimensions } from "../sources/check-dimensions.ts";
import { withProvider } from "../providers/registry.ts";
import { packTexts } from "../providers/isolate/pack.ts";
import { hasVector } from "../ledger/ledger-sql.ts";
import { registerModel, type LedgerModel } from "../ledger/model.ts";
import { whereStale } from "../ledger/stale-rows.ts";
import { rowModel } from "../providers/fingerprint.ts";
import type { Provider } from "../providers/provider.ts";
import { hasText, rowsWithVectors, textHash } from "../sources/source-sql.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import type { Source } from "../sources/source.ts";

export interface DryRunReport {
  readonly source: string;
  readonly model: string;
  readonly dimensions: number;
  /** Rows without a current vector. */
  readonly rows: number;
  /** Texts that would be sent: equal texts once, cached texts not at all. */
  readonly texts: number;
  /** Texts that were sent as a sample. Each came back as a vector. */
  readonly sampled: number;
  readonly requests: number;
  readonly tokens: number;
  readonly seconds: number;
  /** In the currency of EMBED_PRICE_PER_MILLION_TOKENS; null where that is not set. */
  readonly cost: number | null;
}

/** English text has about four characters per token. Used if the provider does not count tokens. */
const CHARACTERS_PER_TOKEN = 4;

/** Embeds a sample and estimates what a backfill would take. Writes nothing. */
export async function dryRun(
  db: Database,
  config: Config,
  source: Source,
  options: { readonly limit: number; readonly all: boolean; readonly signal: AbortSignal },
): Promise<DryRunReport> {
  return await withProvider(config, source, { signal: options.signal }, async (provider) => {
    checkDimensions(source, provider);
    const model = await registerModel(db, rowModel(provider, config.EMBED_ON_TOO_LONG), source.vectorType);
    const amount = await withPerRowFallback(source, (source) => countWork(db, source, model, options.all));
    const texts = await withPerRowFallback(source, (source) =>
      sampleTexts(db, source, provider, model, options),
    );
    const sample = await embedSample(provider, texts, config.EMBED_BATCH_SIZE, options.signal);
    const tokensPerCharacter =
      sample.tokens > 0 ? sample.tokens / sample.characters : 1 / CHARACTERS_PER_TOKEN;
    const tokens = Math.round(amount.characters * tokensPerCharacter);
    const requests = Math.ceil(amount.texts / Math.min(config.EMBED_BATCH_SIZE, provider.limits.inputs));
    return {
      source: source.name,
      model: provider.model,
      dimensions: provider.dimensions,
      rows: amount.rows,
      texts: amount.texts,
      sampled: texts.length,
      requests,
      tokens,
      seconds:
        texts.length === 0
          ? 0
          : (sample.milliseconds / texts.length / 1000) * (amount.texts / config.EMBED_MAX_CONCURRENCY),
      cost:
        config.EMBED_PRICE_PER_MILLION_TOKENS === undefined
          ? null
          : (tokens / 1e6) * config.EMBED_PRICE_PER_MILLION_TOKENS,
    };
  });
}

async function countWork(
  db: Database,
  source: Source,
  model: LedgerModel,
  all: boolean,
): Promise<{ rows: number; texts: number; characters: number }> {
  const { rows } = await sql<{ rows: number; texts: number; characters: number }>`
    with candidates as (
      select ${textHash("t")} as text_hash, char_length(t.content) as characters
      from ${rowsWithVectors(source)} t ${whereStale(source, model, all)} and ${hasText("t")}
    ), text as (select text_hash, max(characters) as characters, count(*) as rows from candidates group by text_hash)
    select coalesce(sum(t.rows), 0)::int as rows, count(*) filter (where not k.is_known)::int as texts,
      coalesce(sum(t.characters) filter (where not k.is_known), 0)::float8 as characters
    from text t cross join lateral (select ${hasVector(sql`t.text_hash`, model)} as is_known offset 0) k`.execute(
    db,
  );
  return rows[0] ?? { rows: 0, texts: 0, characters: 0 };
}

async function sampleTexts(
  db: Database,
  source: Source,
  provider: Provider,
  model: LedgerModel,
  { limit, all }: { readonly limit: number; readonly all: boolean },
): Promise<string[]> {
  const { rows } = await sql<{ text: string }>`
    select left(t.content, ${provider.limits.textCharacters}) as text
    from ${rowsWithVectors(source)} t ${whereStale(source, model, all)} and ${hasText("t")}
    order by t.k0 limit ${limit}`.execute(db);
  return rows.map((row) => row.text);
}

/** `embed` checks the count, the lengths and the floats of every answer, and throws if they are wrong. */
async function embedSample(
  provider: Provider,
  texts: readonly string[],
  batchSize: number,
  signal: AbortSignal,
) {
  const started = performance.now();
  const limits = {
    inputs: Math.min(batchSize, provider.limits.inputs),
    characters: provider.limits.characters,
  };
  let tokens = 0;
  let characters = 0;
  for (const request of packTexts(texts, limits)) {
    const answer = await provider.embed(request.texts, signal);
    tokens += answer.tokens;
    characters += request.texts.reduce((sum, text) => sum + text.length, 0);
  }
  return { tokens, characters, milliseconds: performance.now() - started };
}
