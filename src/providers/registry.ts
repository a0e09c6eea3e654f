import type { ProviderConfig } from "./provider-config.ts";
import type { BatchApi } from "./batch/batch-api.ts";
import type { Events } from "../events.ts";
import { forCommand, patiently } from "./for-command.ts";
import { backendOf, type ProviderSettings } from "./known-backends.ts";
import { openBackend, openProvider, openProviderWithoutProbe, openSharedProvider } from "./provider-stack.ts";
import type { Provider } from "./provider.ts";
import {
  NO_OVERRIDES,
  resolveProviderSettings,
  type ProviderOverrides,
} from "./resolve-provider-settings.ts";
import type { PrefixedBackend } from "./roles/with-prefixes.ts";
import { DEFAULT_POLICY, type RetryPolicy } from "./retry-policy.ts";
import type { RetryingProvider } from "./retrying-provider.ts";
import { formatDuration } from "../timing/format-duration.ts";
import { withQuestionKey } from "./question-key.ts";
import { sourceSettings } from "./source-settings.ts";
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

/**
 * Providers of questions, which stay open between searches, one per settings. Each call is one request, and nothing is retried: who
 * waits for an answer learns of a failure at once.
 */
export class KeptProviders {
  readonly #config: ProviderConfig;
  readonly #open = new Map<string, Promise<Provider>>();

  constructor(config: ProviderConfig) {
    this.#config = config;
  }

  /**
   * @param dimensions where they are known, the provider is not asked for a vector first
   * @throws {ProviderError} where it does not answer, or with vectors of another length
   */
  async for(overrides: ProviderOverrides, dimensions: number | null): Promise<Provider> {
    const wanted = { ...overrides, dimensions: dimensions ?? overrides.dimensions };
    const settings = withQuestionKey(resolveProviderSettings(this.#config, wanted), this.#config);
    const id = JSON.stringify(settings);
    const opening = this.#open.get(id) ?? openDirectly(settings);
    this.#open.set(id, opening);
    try {
      return await opening;
    } catch (error) {
      this.#open.delete(id);
      throw error;
    }
  }

  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.#open.values());
    this.#open.clear();
    for (const one of opened) if (one.status === "fulfilled") await one.value.close();
  }
}

/** The source's own limits, else the environment's. */
export function policyOf(
  config: ProviderConfig,
  overrides: ProviderOverrides,
): Partial<RetryPolicy> & Pick<RetryPolicy, "maxConcurrency"> {
  const own = sourceSettings(overrides.settings);
  const requestsPerMinute = own.requests_per_minute ?? config.EMBED_REQUESTS_PER_MINUTE;
  const tokensPerMinute = own.tokens_per_minute ?? config.EMBED_TOKENS_PER_MINUTE;
  return {
    maxRetries: config.EMBED_MAX_RETRIES,
    backoffMs: config.EMBED_BACKOFF_MS,
    maxConcurrency: own.concurrency ?? config.EMBED_MAX_CONCURRENCY,
    ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
    ...(tokensPerMinute === undefined ? {} : { tokensPerMinute }),
  };
}

/**
 * Opens a provider for one piece of work of a command, and closes it afterwards. A failure is reported at once.
 * @param options.dimensions where they are known, the provider is not asked for a vector first
 * @param options.isPatient what is throttled is sent again: `EMBED_MAX_RETRIES`, for half a minute
 * @throws {ProviderError} where it does not answer, or with vectors of another length
 */
export async function withProvider<T>(
  config: ProviderConfig,
  overrides: ProviderOverrides,
  options: {
    readonly dimensions?: number | null;
    readonly signal?: AbortSignal;
    readonly isPatient?: boolean;
  },
  work: (provider: Provider) => T | Promise<T>,
): Promise<T> {
  const settings = resolveProviderSettings(config, overrides);
  const { dimensions = null, signal = new AbortController().signal, isPatient = false } = options;
  const { EMBED_MAX_RETRIES: maxRetries, EMBED_BACKOFF_MS: backoffMs } = config;
  const patience = { maxRetries: isPatient ? maxRetries : 0, backoffMs };
  const opened =
    dimensions === null
      ? await patiently(patience, signal, () => openProvider(settings, signal))
      : openProviderWithoutProbe({ ...settings, dimensions });
  const provider = forCommand(opened, patience);
  try {
    return await work(provider);
  } finally {
    await provider.close();
  }
}

/** Asks for a vector where the length is not known. */
async function openDirectly(settings: ReturnType<typeof resolveProviderSettings>): Promise<Provider> {
  const { dimensions } = settings;
  return dimensions === undefined
    ? await openProvider(settings)
    : openProviderWithoutProbe({ ...settings, dimensions });
}

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

/** The length of the vectors that a provider makes: configured, the same for all of its kind, or what it answers with. */
export async function dimensionsOf(
  config: ProviderConfig,
  overrides: ProviderOverrides = NO_OVERRIDES,
): Promise<number> {
  // EMBEDDING_DIM is about the environment's model, and not about another one.
  const hasOwnModel = overrides.backend !== null || overrides.model !== null;
  const environment = hasOwnModel ? { ...config, EMBEDDING_DIM: undefined } : config;
  const known =
    overrides.dimensions ??
    environment.EMBEDDING_DIM ??
    backendOf(overrides.backend ?? config.EMBEDDING_BACKEND).dimensions;
  return known ?? (await withProvider(environment, overrides, {}, ({ dimensions }) => dimensions));
}
