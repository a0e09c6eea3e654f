import { sleep } from "../timing/sleep.ts";
import { around } from "./around.ts";
import type { Provider } from "./provider.ts";
import { ProviderError } from "./provider-error.ts";
import type { RetryPolicy } from "./retry-policy.ts";
import { backoffMs } from "./traffic/backoff.ts";
import { saying } from "./what-follows.ts";

const RUN_AGAIN = "Run the command again in a moment.";
/** How long a person waits for one answer who is told nothing meanwhile. */
const LONGEST_WAIT_MS = 30_000;

/** 0 retries: a throttled request is reported at once, too. */
export type Patience = Pick<RetryPolicy, "maxRetries" | "backoffMs">;

/**
 * Asks a provider for a person who waits. A throttled request is sent again for half a minute at most, since the listeners
 * may be using up the rate; any other failure is reported at once, for nobody tries it again later.
 * @throws {ProviderError} that says so
 */
export async function patiently<T>(
  { maxRetries, backoffMs: base }: Patience,
  signal: AbortSignal,
  ask: () => Promise<T>,
): Promise<T> {
  let leftMs = LONGEST_WAIT_MS;
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      const said = saying(error, RUN_AGAIN);
      const pauseMs = Math.max(error.retryAfterMs ?? 0, backoffMs(attempt, 2 * base, leftMs));
      leftMs -= pauseMs;
      if (error.kind !== "throttled" || attempt >= maxRetries || leftMs < 0) throw said;
      await sleep(pauseMs, signal).catch(() => {
        throw said;
      });
    }
  }
}

/** A provider each of whose requests is asked `patiently`. */
export function forCommand(provider: Provider, patience: Patience): Provider {
  return around(provider, {
    embed: (texts, role, signal, options) =>
      patiently(patience, signal, () => provider.embed(texts, role, signal, options)),
  });
}
