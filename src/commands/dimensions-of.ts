import type { Config } from "../config.ts";
import { openProvider } from "../providers/open-provider.ts";
import { resolveProviderSettings } from "../providers/resolve-provider-settings.ts";

/** The length of the local model's vectors, known without loading the model. */
const LOCAL_DIMENSIONS = 512;

/** The length of the vectors in a new `patient_embeddings`: as configured, else found by a probe of the provider. */
export async function dimensionsOf(config: Config): Promise<number> {
  if (config.EMBEDDING_DIM !== undefined) return config.EMBEDDING_DIM;
  if (config.EMBEDDING_BACKEND === "local") return LOCAL_DIMENSIONS;
  const provider = await openProvider(resolveProviderSettings(config));
  await provider.close();
  return provider.dimensions;
}
