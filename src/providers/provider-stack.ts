import type { Events } from "../events.ts";
import { backendOf, type ProviderSettings } from "./known-backends.ts";
import { ProviderError } from "./provider-error.ts";
import type { Provider } from "./provider.ts";
import type { RetryPolicy } from "./retry-policy.ts";
import { withPrefixes, type PrefixedBackend } from "./roles/with-prefixes.ts";
import { RetryingProvider } from "./retrying-provider.ts";
import type { Limiter } from "./traffic/limiter.ts";
import { ValidatingProvider } from "./validating-provider.ts";
import { withRequestEvents } from "./with-request-events.ts";
import { withUsageEvents, type Budget, type Payer } from "./with-usage-events.ts";

/**
 * The layers around a request to a provider, each a `Provider` around the one before it:
 *
 *   Backend              one request in its own dialect; the answer as it came   backends/
 *   withPrefixes         each text begins as its model expects it in its role    roles/
 *   ValidatingProvider   the answer is checked: count, length, finite floats
 *   withRequestEvents    each request is an event, retries included
 *   RetryingProvider     paced, retried, stopped by an open circuit; shared by all sources with equal settings
 *   withUsageEvents      what one source sees: the day's budget, and an event with the tokens of each answer
 *
 * A command takes the first three (`openProvider`), and waits at most for what is throttled (`forCommand`). A listener takes all six.
 */

export function openBackend(settings: ProviderSettings): PrefixedBackend {
  return withPrefixes(backendOf(settings.backend).open(settings), settings.prefixes);
}

/**
 * Opens a provider and asks it for one vector.
 * @throws {ProviderError} when it does not answer, or with vectors of another length (`setup`)
 */
export async function openProvider(
  settings: ProviderSettings,
  signal: AbortSignal = new AbortController().signal,
): Promise<Provider> {
  return await ValidatingProvider.probed(openBackend(settings), settings.dimensions, signal);
}

/** The same without a request, where the dimensions are known; a model that makes others shows at the first answer. */
export function openProviderWithoutProbe(
  settings: ProviderSettings & { readonly dimensions: number },
): Provider {
  return new ValidatingProvider(openBackend(settings), settings.dimensions);
}

/** A provider that all sources with these settings share, with its circuit. Others may share its rate limit. */
export async function openSharedProvider(
  settings: ProviderSettings,
  policy: RetryPolicy,
  limiter: Limiter,
  events: Events,
): Promise<RetryingProvider> {
  const provider = withRequestEvents(await openProviderTolerantly(settings), events);
  return new RetryingProvider(provider, policy, limiter);
}

/** A shared provider as one source sees it, which sends at most `batchSize` texts per request. */
export function providerOfSource(
  shared: Provider,
  payer: Payer,
  events: Events,
  budget: Budget,
  batchSize: number,
): Provider {
  return withUsageEvents(shared, payer, events, budget, batchSize);
}

/** An outage keeps no listener from starting: where the dimensions are configured, the first answer may come later. */
async function openProviderTolerantly(settings: ProviderSettings): Promise<Provider> {
  try {
    return await openProvider(settings);
  } catch (error) {
    const passes =
      error instanceof ProviderError && (error.kind === "unavailable" || error.kind === "throttled");
    if (!passes || settings.dimensions === undefined) throw error;
    return openProviderWithoutProbe({ ...settings, dimensions: settings.dimensions });
  }
}
