import { SetupError } from "../errors.ts";
import type { ProviderConfig } from "../providers/provider-config.ts";
import { ProviderError } from "../providers/provider-error.ts";
import { describeProvider } from "../providers/describe-provider.ts";
import type { ProviderOverrides } from "../providers/resolve-provider-settings.ts";
import { sentBy, type Sent } from "../providers/roles/sent.ts";

/**
 * What goes to a source's provider with its texts and with questions, by the settings of this process. It needs no key.
 * @returns null where the settings have a fault, which is reported elsewhere
 */
export async function sentOf(config: ProviderConfig, source: ProviderOverrides): Promise<Sent | null> {
  const { api_key_env: _, ...settings } = source.settings;
  try {
    return sentBy(await describeProvider(config, { ...source, settings }));
  } catch (error) {
    if (error instanceof SetupError || error instanceof ProviderError) return null;
    throw error;
  }
}
