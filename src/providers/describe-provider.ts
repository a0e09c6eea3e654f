import type { ProviderConfig } from "./provider-config.ts";
import type { BatchApi } from "./batch/batch-api.ts";
import { openBackend } from "./provider-stack.ts";
import { resolveProviderSettings, type ProviderOverrides } from "./resolve-provider-settings.ts";
import type { PrefixedBackend } from "./roles/with-prefixes.ts";

/** What is known of a provider without asking it for anything. */
export async function describeProvider(
  config: ProviderConfig,
  overrides: ProviderOverrides,
): Promise<Omit<PrefixedBackend, "ask" | "close">> {
  const backend = openBackend(resolveProviderSettings(config, overrides));
  await backend.close();
  return backend;
}

/** The batch API of a source's provider, to be closed; undefined where it has none. @throws {ProviderError} without a key */
export async function openBatchApi(
  config: ProviderConfig,
  overrides: ProviderOverrides,
): Promise<BatchApi | undefined> {
  const backend = openBackend(resolveProviderSettings(config, overrides));
  try {
    return backend.batches?.();
  } finally {
    await backend.close();
  }
}
