import { onTooLong } from "../providers/source-settings.ts";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { Events } from "../events.ts";
import { Budget } from "../listener/budget.ts";
import { checkPrices } from "../listener/check-prices.ts";
import { UnwrittenSpending } from "../listener/unwritten-spending.ts";
import { Usage } from "../listener/usage.ts";
import { embedWithBisection } from "../providers/isolate/bisect.ts";
import type { EmbedResult } from "../providers/isolate/embed-result.ts";
import { pack } from "../providers/isolate/pack.ts";
import { ProviderError } from "../providers/provider-error.ts";
import { payerOf } from "../providers/prices/payer-of.ts";
import { providerOfSource } from "../providers/provider-stack.ts";
import { registerModel } from "../ledger/model.ts";
import { rowModel } from "../providers/fingerprint.ts";
import { withProvider } from "../providers/with-provider.ts";
import { checkDimensions } from "../sources/check-dimensions.ts";
import type { Source } from "../sources/source.ts";
import { keepVectors } from "./keep-vectors.ts";
import { pickTexts, type PickedText } from "./pick-texts.ts";

export interface SampleOptions {
  /** Texts to send, at most. */
  readonly size: number;
  /** See `DryRunOptions`. */
  readonly allSince: string | undefined;
  /** Texts per request, at most. */
  readonly batchSize: number;
  readonly signal: AbortSignal;
}

export interface SampleReport {
  /** Texts that came back as valid vectors, which are kept. */
  readonly kept: number;
  /** Texts that the provider refused. */
  readonly refused: number;
  /** Why it refused the first of them. */
  readonly refusal: string | null;
  readonly tokens: number;
  /** The length of its vectors. */
  readonly dimensions: number;
}

/**
 * Embeds a few of the texts that a backfill would send, checks the answers as a listener does, and keeps what was paid
 * for: the vectors of each request are stored as soon as it is answered, and its usage is counted.
 *
 * As when a listener starts, the provider is first asked for the vector of a harmless text. A model that has to be loaded
 * is then loaded before anything is timed.
 * @throws {SetupError} with the number of vectors that were kept, where a request fails or the day's budget is used up
 */
export async function sendSample(
  db: Database,
  config: Config,
  source: Source,
  { size, allSince, batchSize, signal }: SampleOptions,
): Promise<SampleReport> {
  const events = new Events();
  const usage = new Usage(events);
  const spending = new UnwrittenSpending(events);
  checkPrices(config, [source]);
  const budget = new Budget(config, events);
  const sample = { kept: 0, refused: 0, refusal: null as string | null, tokens: 0 };
  events.on("answered", ({ tokens }) => (sample.tokens += tokens));
  await budget.refresh(db);
  return await withProvider(config, source, { signal, isPatient: true }, async (opened) => {
    checkDimensions(source, opened);
    const provider = providerOfSource(opened, payerOf(config, source), events, budget, batchSize);
    const { textCharacters } = provider.limits;
    const tooLong = onTooLong(config, source);
    const model = await registerModel(db, rowModel(provider, tooLong), source.vectorType);
    const texts = await pickTexts(db, source, { allSince, model, textCharacters, onTooLong: tooLong }, size);
    const record = async (request: readonly PickedText[], result: EmbedResult): Promise<void> => {
      if (result.kind === "refused") {
        sample.refused += 1;
        sample.refusal ??= result.error.message;
        return;
      }
      const embedded = result.indices.flatMap((index) => request[index] ?? []);
      await keepVectors(db, source, model, embedded, result.vectors);
      sample.kept += embedded.length;
    };
    try {
      for (const request of pack(texts, ({ text }) => text, { ...provider.limits, inputs: batchSize })) {
        if (budget.exhausted !== undefined) throw stopped(`${budget.exhausted}.`, sample.kept, texts.length);
        const inputs = request.map(({ text }) => text);
        await embedWithBisection(provider, inputs, signal, (result) => record(request, result), {
          onTooLong: tooLong,
          turn: { purpose: "backfill" },
        });
      }
    } catch (error) {
      if (signal.aborted) throw stopped("it was interrupted.", sample.kept, texts.length);
      throw error instanceof ProviderError ? stopped(error.message, sample.kept, texts.length) : error;
    } finally {
      await usage.flush(db);
      await spending.flush(db);
    }
    return { ...sample, dimensions: provider.dimensions };
  });
}

function stopped(why: string, kept: number, size: number): SetupError {
  return new SetupError(
    `The sample ended after ${kept} of ${size} texts: ${why}`,
    "What was paid for is kept, and a backfill uses it. Run the command again for the rest.",
  );
}
