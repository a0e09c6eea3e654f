import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { compareSample } from "../verify/compare-sample.ts";
import type { Kept } from "./found.ts";
import type { AdoptPlan } from "./plan.ts";

export interface ProofOptions {
  /** Texts to embed again, at most. */
  readonly size: number;
  /** The least cosine similarity at which two vectors are of the same model and the same text. */
  readonly threshold: number;
  readonly signal: AbortSignal;
}

export interface Proof {
  readonly model: string;
  readonly sampled: number;
  /** Texts whose new vector is as similar to the other tool's as the threshold asks. */
  readonly agree: number;
  /** Cosine similarity; 1 is the same direction. */
  readonly lowest: number;
  /** Texts that the provider refuses: their vectors are not compared. */
  readonly refused: number;
  /** Keys of the other rows, or chunks: their vectors are of an old text, and are not taken over. */
  readonly disagreeing: readonly string[];
}

/** Of the texts of the sample: fewer are not all of the model. */
const LEAST_SHARE = 0.9;

/**
 * Embeds some of the texts with the configured provider, and compares the vectors with the other tool's. Writes nothing.
 * @throws {ProviderError} if the provider does not answer; {SetupError} if its vectors have another length
 */
export async function prove(
  db: Database,
  config: Config,
  { sampled, outdated }: AdoptPlan,
  { size, threshold, signal }: ProofOptions,
): Promise<Proof> {
  const { model, compared, refused } = await compareSample(db, config, sampled.source, {
    sample: size,
    without: outdated,
    signal,
  });
  const disagreeing = compared.filter(({ cosine }) => cosine < threshold).map(({ key }) => key);
  return {
    model,
    sampled: compared.length,
    agree: compared.length - disagreeing.length,
    lowest: compared.reduce((lowest, { cosine }) => Math.min(lowest, cosine), 1),
    refused,
    disagreeing,
  };
}

/**
 * Vectors of chunks are lent by their text alone, as if the model had made them here: not one of the sample may disagree.
 * @throws {SetupError} if the vectors are not of the model, or not all of them
 */
export function requireProof(
  { model, sampled, agree, lowest, refused }: Proof,
  threshold: number,
  kept: Kept,
): void {
  if (refused > sampled) {
    throw new SetupError(
      `The provider refuses ${refused} texts of the sample and takes ${sampled}, so nothing is proved.`,
      "If they are too long, set EMBED_ON_TOO_LONG=truncate, as the other tool may have done, or name a model that takes them.",
    );
  }
  const leastShare = kept.as === "chunks" ? 1 : LEAST_SHARE;
  if (sampled > 0 && agree >= leastShare * sampled) return;
  if (sampled === 0) {
    throw new SetupError("No row of the sample is there any more, so nothing is proved.", "Run this again.");
  }
  const figures = `${agree} of ${sampled} texts have a vector that ${model} makes too (similarity of at least ${threshold}); the lowest similarity is ${lowest.toFixed(4)}. Nothing was changed.`;
  if (agree > 0 && kept.as === "chunks") {
    throw new SetupError(
      `Only some of these chunks have a vector of this model and this text: ${figures}`,
      `Every chunk of the sample has to agree, since its vector is used wherever its text comes again. Let the other tool embed the wrong ones again, or watch the table without them: ${invocation("watch")}`,
    );
  }
  throw agree === 0
    ? new SetupError(
        `These vectors are not of this model, or not of this text: ${figures}`,
        "Name the model that made them with --backend and --model, and the text that it was given with --text. A prefix before each text counts too: --document-prefix.",
      )
    : new SetupError(
        `Only some of these vectors are of this model and this text: ${figures}`,
        `The column has vectors of several models, or of texts that have changed since. Say which rows are to be embedded again: --outdated "embedded_at < updated_at".`,
      );
}
