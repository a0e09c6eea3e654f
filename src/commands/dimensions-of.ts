import type { Config } from "../config.ts";
import { openProvider } from "../providers/open-provider.ts";
import { resolveProviderSettings } from "../providers/resolve-provider-settings.ts";

/** What the local model makes: nobody need wait for it to be loaded to know. */
const LOCAL_DIMENSIONS = 512;

/** The length of the vectors that a new `patient_embeddings` holds: configured, or what the provider makes. */
export async function dimensionsOf(config: Config): Promise<number> {
  if (config.EMBEDDING_DIM !== undefined) return config.EMBEDDING_DIM;
  if (config.EMBEDDING_BACKEND === "local") return LOCAL_DIMENSIONS;
  const provider = await openProvider(resolveProviderSettings(config));
  await provider.close();
  return provider.dimensions;
}
