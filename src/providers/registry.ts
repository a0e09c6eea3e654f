import type { ProviderConfig } from "./provider-config.ts";
import type { Events } from "../events.ts";
import type { ProviderSettings } from "./known-backends.ts";
import { openSharedProvider } from "./provider-stack.ts";
import { resolveProviderSettings, type ProviderOverrides } from "./resolve-provider-settings.ts";
import { DEFAULT_POLICY, policyOf, type RetryPolicy } from "./retry-policy.ts";
import type { RetryingProvider } from "./retrying-provider.ts";
import { formatDuration } from "../timing/format-duration.ts";
import { withQuestionKey } from "./question-key.ts";
import { Limiter } from "./traffic/limiter.ts";

/** Who watches a backfill begins to wonder. */
const LONG_PAUSE_S = 10;

/** The state of a provider, as `embedding_listener.state` and the page show it. */
export interface ProviderDescription {
  readonly backend: string;
  readonly model: string;
  readonly state: "closed" | "throttled" | "open";
  readonly since: string;
  readonly reason: string | null;
  /** When it is asked again (ISO 8601, UTC); null while it is being asked. */
  readonly next_try_at: string | null;
  /** The rate limit as estimated; null while nothing is known. */
  readonly requests_per_minute: number | null;
  readonly concurrency: number;
}

/**
 * The open providers of a listener. Sources with equal settings share one, with its circuit. Those that differ only in
 * what is sent with the texts share a rate limit.
 */
export class Providers {
  readonly #config: ProviderConfig;
  readonly #events: Events;
  readonly #open = new Map<string, Promise<RetryingProvider>>();
  readonly #known = new Set<RetryingProvider>();
  readonly #limiters = new Map<string, Limiter>();
  /** The end of the last long pause that was reported, in ms since 1970. */
  readonly #pausedUntil = new WeakMap<RetryingProvider, number>();
  #stopped = false;
  #closed = false;

  constructor(config: ProviderConfig, events: Events) {
    this.#config = config;
    this.#events = events;
  }

  /** Opens the provider, or shares the one that is open. @throws {ProviderError} where it does not answer. */
  async for(overrides: ProviderOverrides): Promise<RetryingProvider> {
    return await this.#with(overrides, resolveProviderSettings(this.#config, overrides));
  }

  /** The same for questions, which may have a key of their own; then they have a circuit and a rate limit of their own too. */
  async forQuestions(overrides: ProviderOverrides): Promise<RetryingProvider> {
    const settings = resolveProviderSettings(this.#config, overrides);
    return await this.#with(overrides, withQuestionKey(settings, this.#config));
  }

  async #with(overrides: ProviderOverrides, settings: ProviderSettings): Promise<RetryingProvider> {
    const policy = { ...DEFAULT_POLICY, ...policyOf(this.#config, overrides) };
    const id = JSON.stringify([settings, policy]);
    const opening = this.#open.get(id) ?? this.#remember(this.#openOne(settings, policy));
    this.#open.set(id, opening);
    try {
      return await opening;
    } catch (error) {
      this.#open.delete(id);
      throw error;
    }
  }

  /** The state of each provider, for `embedding_listener.state`. */
  describe(): ProviderDescription[] {
    return [...this.#known].map(({ backend, model, state, nextTryAt, requestsPerMinute, concurrency }) => ({
      backend,
      model,
      state: state.name,
      since: state.since.toISOString(),
      reason: state.error?.message ?? null,
      next_try_at: nextTryAt?.toISOString() ?? null,
      requests_per_minute: requestsPerMinute ?? null,
      concurrency,
    }));
  }

  /** Ends every wait for a provider: nothing is sent any more, and only requests in flight are completed. */
  stop(): void {
    this.#stopped = true;
    for (const provider of this.#known) provider.stop();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const provider of this.#known) await provider.close();
  }

  async #openOne(settings: ProviderSettings, policy: RetryPolicy): Promise<RetryingProvider> {
    // Services count by key and model, whatever the texts and the length of the vectors are.
    const counted = { ...settings, prefixes: undefined, dimensions: undefined, limits: undefined };
    const id = JSON.stringify([counted, policy]);
    const limiter = this.#limiters.get(id) ?? new Limiter(policy);
    this.#limiters.set(id, limiter);
    const provider = await openSharedProvider(settings, policy, limiter, this.#events);
    provider.on("state", () => {
      this.#reportPause(provider);
    });
    return provider;
  }

  /** A long pause alone: at a rate limit, providers ask for short ones all the time. */
  #reportPause(provider: RetryingProvider): void {
    const {
      backend,
      model,
      state: { name, error },
      nextTryAt,
    } = provider;
    if (name !== "throttled" || error === undefined || nextTryAt === undefined) return;
    const seconds = (nextTryAt.getTime() - Date.now()) / 1_000;
    // Each request that is in flight then is refused as well.
    if (seconds < LONG_PAUSE_S || Date.now() < (this.#pausedUntil.get(provider) ?? 0)) return;
    this.#pausedUntil.set(provider, nextTryAt.getTime());
    const problem = `${error.message} It is asked again in ${formatDuration(seconds)}.`;
    this.#events.emit("throttled", { backend, model, problem });
  }

  async #remember(opening: Promise<RetryingProvider>): Promise<RetryingProvider> {
    const provider = await opening;
    this.#known.add(provider);
    if (this.#stopped) provider.stop();
    if (this.#closed) await provider.close();
    return provider;
  }
}
