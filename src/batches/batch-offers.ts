import { SetupError, UsageError } from "../errors.ts";
import type { BatchOffer } from "../providers/batch/batch-api.ts";
import type { ProviderConfig } from "../providers/provider-config.ts";
import { describeProvider } from "../providers/describe-provider.ts";
import type { Source } from "../sources/source.ts";
import { NO_BATCHES } from "./providers-with-batches.ts";

/** What the provider of a source offers; null where it has no batch API. Nothing is sent. */
async function batchOfferOf(
  config: ProviderConfig,
  source: Source,
): Promise<Pick<BatchOffer, "priceFactor" | "hours"> | null> {
  try {
    return (await describeProvider(config, source)).batchOffer ?? null;
  } catch (error) {
    if (!(error instanceof SetupError) || error instanceof UsageError) throw error;
    throw new SetupError(`${source.name}: ${error.message}`, error.remedy, { cause: error });
  }
}

/** @throws {UsageError} where the provider of a source has no batch API */
export async function refuseWithoutBatches(
  config: ProviderConfig,
  sources: readonly Source[],
): Promise<void> {
  for (const source of sources) {
    if ((await batchOfferOf(config, source)) !== null) continue;
    const { name } = await describeProvider(config, source);
    throw new UsageError(
      `${source.name}: ${name} ${NO_BATCHES}`,
      "Leave out --batch, or choose another provider.",
    );
  }
}
