import type { Config } from "../config.ts";
import { fingerprintOf, rowModel } from "../providers/fingerprint.ts";
import { backendOf } from "../providers/known-backends.ts";
import { describeProvider } from "../providers/describe-provider.ts";
import { resolveProviderSettings, type ProviderOverrides } from "../providers/resolve-provider-settings.ts";
import { onTooLong, sourceSettings, type SourceSettings } from "../providers/source-settings.ts";
import { inOrder } from "./in-order.ts";
import { withoutUser } from "./without-user.ts";

/** What a source is embedded by, as this process resolves it, without asking it. */
export interface DescribedModel {
  readonly id: string;
  readonly model: string;
  readonly prefixes: { readonly document: string; readonly query: string };
  readonly baseUrl: string | undefined;
  /** The variable of its key. */
  readonly keyName: string | undefined;
  /** What the source has of its own. */
  readonly own: SourceSettings;
  /** What the ledger calls vectors of that length, in which fields of objects are in one order. */
  readonly rowModel: (dimensions: number | null) => string;
}

/** Without the key, which this process may not have. @throws {SetupError} where a setting is missing that the provider needs */
export async function describeModel(config: Config, overrides: ProviderOverrides): Promise<DescribedModel> {
  const own = inOrder(sourceSettings(overrides.settings));
  const { api_key_env: keyName, ...settings } = own;
  const keyless = { ...overrides, settings };
  const described = await describeProvider(config, keyless);
  const resolved = resolveProviderSettings(config, keyless);
  return {
    id: backendOf(overrides.backend ?? config.EMBEDDING_BACKEND).id,
    model: described.model,
    prefixes: described.prefixes,
    baseUrl: "baseUrl" in resolved ? withoutUser(resolved.baseUrl) : undefined,
    keyName,
    own,
    rowModel: (dimensions) => {
      const fingerprint = fingerprintOf(described, "document", dimensions ?? 0);
      const named = { fingerprint, earlierName: undefined, limits: described.limits };
      return rowModel(named, onTooLong(config, overrides)).fingerprint;
    },
  };
}
