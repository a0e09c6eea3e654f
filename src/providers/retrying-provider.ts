import { EventEmitter } from "node:events";
import { backoffMs } from "./traffic/backoff.ts";
import { Circuit, type CircuitSettings } from "./traffic/circuit.ts";
import { Limiter, type LimiterSettings } from "./traffic/limiter.ts";
import { Call } from "./call.ts";
import { PROBE_TEXT, refusesAll } from "./isolate/probe-text.ts";
import { ProviderError } from "./provider-error.ts";
import type { Embeddings, EmbedOptions, Provider } from "./provider.ts";
import { sleep } from "./sleep.ts";

export interface RetryPolicy extends LimiterSettings, CircuitSettings {
  /** Requests after the first, at most, before a failure is believed (`EMBED_MAX_RETRIES`). */
  readonly maxRetries: number;
  /** One call waits no longer than this in all before it gives its texts back, in ms; a request under way ends first. */
  readonly patienceMs: number;
}

const PATIENCE: RetryPolicy = {
  maxRetries: 5,
  backoffMs: 500,
  maxPauseMs: 60_000,
  maxConcurrency: 4,
  failuresToProbe: 3,
  probeMs: 1_000,
  maxProbeMs: 30_000,
  patienceMs: 120_000,
};

/** How a provider is: `closed` works, `throttled` waits because it was told to, `open` is not being asked. */
export interface ProviderState {
  readonly name: "closed" | "throttled" | "open";
  readonly since: Date;
  /** What the provider said last, where it is not `closed`. */
  readonly error: ProviderError | undefined;
}

interface Events {
  /** It became well, throttled or unavailable, or is so for another reason. */
  state: [ProviderState];
  /** A request failed and is sent again after `pauseMs`. */
  retry: [{ readonly attempt: number; readonly pauseMs: number; readonly error: ProviderError }];
}

const FIRST_TOKENS_A_CHARACTER = 0.25;

/**
 * A provider with patience, shared by all lanes of a process: it paces, retries, and stops asking while nobody
 * answers. What it throws is final for now: `row` after the provider was found to answer others, and `throttled`,
 * `unwell` or `setup` when the texts should go back to where they came from; `ready` tells when to come again.
 */
export class RetryingProvider extends EventEmitter<Events> implements Provider {
  readonly backend: string;
  readonly model: string;
  readonly dimensions: number;
  readonly #provider: Provider;
  readonly #patience: RetryPolicy;
  readonly #limiter: Limiter;
  readonly #circuit: Circuit;
  #state: ProviderState = { name: "closed", since: new Date(), error: undefined };
  #tokensACharacter = FIRST_TOKENS_A_CHARACTER;

  constructor(provider: Provider, patience: Partial<RetryPolicy> = {}) {
    super();
    this.backend = provider.backend;
    this.model = provider.model;
    this.dimensions = provider.dimensions;
    this.#provider = provider;
    this.#patience = { ...PATIENCE, ...patience };
    this.#limiter = new Limiter(this.#patience);
    this.#circuit = new Circuit(
      this.#patience,
      (signal) => this.#probe(signal),
      () => {
        const { error } = this.#circuit;
        this.#become(error === undefined ? "closed" : "open", error);
      },
    );
  }

  get limits(): Provider["limits"] {
    return this.#provider.limits;
  }

  get state(): ProviderState {
    return this.#state;
  }

  /** Requests a minute that the provider is believed to allow; undefined while nothing is known. */
  get requestsPerMinute(): number | undefined {
    return this.#limiter.pace.requestsPerMinute;
  }

  /** Requests that may be in flight at once just now. */
  get concurrency(): number {
    return this.#limiter.concurrency;
  }

  /** Resolves when a request would be sent soon: to be awaited before texts are claimed. */
  async ready(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      await this.#circuit.whenClosed(signal);
      const pause = this.#limiter.pace.pausedUntil - performance.now();
      if (pause <= 0) return;
      await sleep(pause, signal);
    }
  }

  async embed(
    texts: readonly string[],
    signal: AbortSignal,
    options: EmbedOptions = {},
  ): Promise<Embeddings> {
    using call = new Call(this.#circuit, signal, this.#patience.patienceMs);
    const attempts = options.attempts ?? this.#patience.maxRetries + 1;
    // So many failures have the circuit probed in between, and halves are of a batch that was refused already.
    let seenWell = attempts >= this.#patience.failuresToProbe || options.attempts !== undefined;
    let startedAt = performance.now();
    for (let attempt = 1; ;) {
      if (!call.isOver) startedAt = performance.now();
      const outcome = await this.#once(texts, signal, call.signal).catch(asProviderError);
      if (!(outcome instanceof ProviderError)) return outcome;
      if (outcome.fault === "row") throw isProbe(texts) ? refusesAll(outcome) : outcome;
      if (call.end === "circuit" || call.end === "caller") throw outcome;
      if (outcome.fault === "throttled") {
        if (call.isOver) throw outcome;
        continue;
      }
      if (attempt >= attempts || call.isOver) {
        const verdict = await this.#whoseFault(outcome, startedAt, attempt);
        if (verdict.fault !== "row" || seenWell || call.isOver) throw verdict;
        // It may be well only since now: these texts were not refused by a provider that answers others yet.
        seenWell = true;
        attempt++;
        continue;
      }
      call.lastError = outcome;
      await this.#circuit.failed(outcome);
      await this.#backOff(outcome, attempt, call.signal);
      attempt++;
    }
  }

  async close(): Promise<void> {
    this.#circuit.close();
    await this.#provider.close();
  }

  /** @param wait ends the wait for a turn; `signal` the request itself */
  async #once(texts: readonly string[], signal: AbortSignal, wait: AbortSignal): Promise<Embeddings> {
    const characters = texts.reduce((sum, text) => sum + text.length, 0);
    try {
      const answer = await this.#limiter.run(characters * this.#tokensACharacter, wait, (onReceived) =>
        this.#provider.embed(texts, signal, { onReceived }),
      );
      if (answer.tokens > 0 && characters > 0) {
        this.#tokensACharacter += (answer.tokens / characters - this.#tokensACharacter) / 8;
      }
      this.#circuit.succeeded();
      if (this.#state.name === "throttled") this.#become("closed", undefined);
      return answer;
    } catch (error) {
      if (
        error instanceof ProviderError &&
        error.fault === "throttled" &&
        this.#circuit.error === undefined
      ) {
        if (this.#limiter.pace.pausedUntil > performance.now()) this.#become("throttled", error);
      }
      throw error;
    }
  }

  async #backOff(error: ProviderError, attempt: number, signal: AbortSignal): Promise<void> {
    const { backoffMs: baseMs, maxPauseMs } = this.#patience;
    const asked = Math.min(error.retryAfterMs ?? 0, maxPauseMs);
    const pauseMs = Math.max(backoffMs(attempt - 1, baseMs, maxPauseMs), asked);
    if (signal.aborted) return;
    this.emit("retry", { attempt, pauseMs, error });
    // The end of the call is noticed by the next attempt, which does not get its turn.
    await sleep(pauseMs, signal).catch(() => undefined);
  }

  /** A failure that others do not share follows the texts: it is theirs, whatever its status says. */
  async #whoseFault(error: ProviderError, startedAt: number, attempts: number): Promise<ProviderError> {
    if (!(await this.#circuit.isAnsweringOthers(startedAt))) return this.#circuit.error ?? error;
    const times = attempts === 1 ? "" : ` (${attempts} times in a row)`;
    return new ProviderError("row", `Other texts are answered, this is not${times}: ${error.message}`, {
      status: error.status,
      cause: error,
    });
  }

  async #probe(signal: AbortSignal): Promise<void> {
    try {
      await this.#provider.embed([PROBE_TEXT], signal);
    } catch (error) {
      const failure = asProviderError(error);
      if (failure.fault === "throttled") return;
      throw failure.fault === "row" ? refusesAll(failure) : failure;
    }
  }

  #become(name: ProviderState["name"], error: ProviderError | undefined): void {
    const since = name === this.#state.name ? this.#state.since : new Date();
    this.#state = { name, since, error };
    this.emit("state", this.#state);
  }
}

function isProbe(texts: readonly string[]): boolean {
  return texts.length === 1 && texts[0] === PROBE_TEXT;
}

function asProviderError(error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  throw error;
}
