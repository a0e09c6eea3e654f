import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { readLearnt } from "../ledger/learnt.ts";
import { findModel, type LedgerModel } from "../ledger/model.ts";
import { allSince } from "../pages/backfills.ts";
import type { BatchOffer } from "../providers/batch/batch-api.ts";
import { earlierNameOf, fingerprintOf, rowModel } from "../providers/fingerprint.ts";
import { priceOf } from "../providers/prices/price-of.ts";
import { usageModel } from "../providers/provider.ts";
import { describeProvider } from "../providers/describe-provider.ts";
import { policyOf } from "../providers/retry-policy.ts";
import { sentBy, type Sent } from "../providers/roles/sent.ts";
import { onTooLong, sourceSettings } from "../providers/source-settings.ts";
import { checkDimensions } from "../sources/check-dimensions.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { refuseAlteredKey } from "../sources/respell-keys.ts";
import type { Source } from "../sources/source.ts";
import { countTextsToCut, type TextsToCut } from "./count-texts-to-cut.ts";
import { countForDryRun, type DryRunCounts } from "./dry-run-counts.ts";
import { estimate, type Estimate } from "./estimate.ts";
import { knownDimensions } from "./known-dimensions.ts";
import { sendSample, type SampleReport } from "./send-sample.ts";

export interface DryRunOptions {
  /** The source whose texts are cut into the chunks that are counted. */
  readonly chunked?: ChunkedSource | undefined;
  /** Counts every row, even if it has a current vector. */
  readonly all: boolean;
  /** Texts to send first as a sample; null sends nothing. */
  readonly sample: number | null;
  readonly signal: AbortSignal;
}

/** What a backfill would take, after the sample if one was sent. */
export interface DryRunReport extends Omit<DryRunCounts, "cachedTexts">, Estimate {
  readonly source: string;
  readonly model: string;
  /** Null where only an answer shows it. */
  readonly dimensions: number | null;
  /** Different texts that have a vector already; null where the length of the vectors, and so their name there, is not known. */
  readonly cachedTexts: number | null;
  readonly sample: SampleReport | null;
  /** Texts whose chunks are not in these figures; null where no text is cut. */
  readonly toCut: TextsToCut | null;
  /** The same by the provider's batch API (`--batch`); null where it has none. */
  readonly batch: {
    /** Texts per batch, at most; each costs the same part of its price. */
    readonly batches: number;
    readonly priceFactor: number;
    /** Null without a price. */
    readonly cost: number | null;
    /** The address is one that is known to have batches. */
    readonly isCertain: boolean;
    /** In which the provider ends a batch or gives up. */
    readonly hours: number;
  } | null;
  /** What goes to the provider with each text, and with questions. */
  readonly sent: Sent;
}

/**
 * Estimates what a backfill would take, from the rows and from what earlier answers have shown. It sends nothing and writes
 * nothing, unless a sample is asked for.
 */
export async function dryRun(
  db: Database,
  config: Config,
  source: Source,
  { chunked, all, sample: size, signal }: DryRunOptions,
): Promise<DryRunReport> {
  await refuseAlteredKey(db, source);
  const described = await describeProvider(config, source);
  const { name: backend, model, limits } = described;
  const { maxConcurrency, requestsPerMinute, tokensPerMinute } = policyOf(config, source);
  const batchSize = Math.min(
    limits.inputs,
    sourceSettings(source.settings).batch_size ?? config.EMBED_BATCH_SIZE,
  );
  const since = await allSince(db, source, all);
  const sample =
    size === null ? null : await sendSample(db, config, source, { size, allSince: since, batchSize, signal });
  const dimensions = sample?.dimensions ?? knownDimensions(config, source);
  if (dimensions !== null) checkDimensions(source, { backend, model, dimensions });
  const modelOf = (length: number): Promise<LedgerModel> => {
    const named = {
      limits,
      fingerprint: fingerprintOf(described, "document", length),
      earlierName: earlierNameOf(described, length),
    };
    return findModel(db, rowModel(named, onTooLong(config, source)), source.vectorType);
  };
  const { cachedTexts, ...work } = await countForDryRun(db, source, {
    allSince: since,
    model: dimensions === null ? null : await modelOf(dimensions),
    textCharacters: limits.textCharacters,
    onTooLong: onTooLong(config, source),
  });
  const learnt = await readLearnt(db, source.id, usageModel({ backend, model }));
  const estimated = estimate(work, learnt, {
    batchSize,
    batchCharacters: limits.characters,
    prefixCharacters: limits.prefixCharacters ?? 0,
    concurrency: maxConcurrency,
    requestsPerMinute,
    tokensPerMinute,
    price: priceOf(config, source),
  });
  return {
    source: source.name,
    model,
    dimensions,
    ...work,
    cachedTexts: dimensions === null ? null : cachedTexts,
    sample,
    toCut: chunked === undefined ? null : await countTextsToCut(db, chunked, all),
    sent: sentBy(described),
    ...estimated,
    batch: byBatch(described.batchOffer, estimated.cost, work.texts, config.EMBED_BATCH_API_TEXTS),
  };
}

function byBatch(
  offer: BatchOffer | undefined,
  cost: number | null,
  texts: number,
  most: number,
): DryRunReport["batch"] {
  if (offer === undefined) return null;
  const { priceFactor, hours, limits, isCertain } = offer;
  return {
    batches: Math.ceil(texts / Math.min(limits.lines, most)),
    priceFactor,
    cost: cost === null ? null : cost * priceFactor,
    isCertain,
    hours,
  };
}
