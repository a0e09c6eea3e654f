import { EventEmitter } from "node:events";
import { backoffMs } from "./traffic/backoff.ts";
import { Circuit } from "./traffic/circuit.ts";
import { Limiter } from "./traffic/limiter.ts";
import { Call } from "./call.ts";
import { Blame } from "./isolate/blame.ts";
import { PROBE_TEXT, refusesAll } from "./isolate/probe-text.ts";
import { ProviderError } from "./provider-error.ts";
import type { Embeddings, EmbedOptions, Provider, ProviderLimits } from "./provider.ts";
import type { Role } from "./roles/role.ts";
import { DEFAULT_POLICY, type RetryPolicy } from "./retry-policy.ts";
import { sleep } from "../timing/sleep.ts";
import type { Turn } from "./traffic/turn.ts";

/** The state of a provider: `closed` works, `throttled` waits as the provider asked, `open` is not asked. */
export interface ProviderState {
  readonly name: "closed" | "throttled" | "open";
  readonly since: Date;
  /** The last failure, where it is not `closed`. */
  readonly error: ProviderError | undefined;
}

interface Events {
  /** The state changed, or the reason for it. */
  state: [ProviderState];
  /** A request failed and is sent again after `pauseMs`. */
  retry: [{ readonly attempt: number; readonly pauseMs: number; readonly error: ProviderError }];
}

/** Some services refuse a request of more tokens than a minute has as they refuse one that comes too early. */
const THROTTLED_TO_DIVIDE = 3;
/** English text has about four characters per token; the answers correct it. */
const FIRST_TOKENS_PER_CHARACTER = 0.25;

/**
 * A provider that all workers of a process share: it keeps to the rate limit, retries, and sends nothing while the
 * provider is down.
 *
 *   embed ──▶ wait for a turn ──▶ request ──┬─ answered ──▶ vectors
 *                  ▲                        │
 *                  ├─────── at a lower rate ┼─ throttled, however often
 *                  └─ after a growing pause ┼─ unavailable or setup; when the attempts are used up, treated as `row`
 *                                           └─ row: is a probe answered?
 *                                                no ──▶ the circuit is open, and its reason is thrown
 *                                                yes ─▶ these texts cause the failure: thrown as `row`
 *
 * Several texts get one attempt: they are sent again in parts, as are those that are throttled again and again while others are answered. Whose fault a failure is, `Blame` says.
 *
 * What it throws is final for now: `row` after the provider was seen to answer others, and `throttled`, `unavailable` or
 * `setup` when the rows should go back to pending; `ready` resolves when it is time to claim again.
 */
export class RetryingProvider extends EventEmitter<Events> implements Provider {
  readonly backend: string;
  readonly model: string;
  readonly dimensions: number;
  readonly fingerprint: string;
  readonly earlierName: string | undefined;
  readonly queryFingerprint: string;
  readonly #provider: Provider;
  readonly #policy: RetryPolicy;
  readonly #limiter: Limiter;
  readonly #circuit: Circuit;
  readonly #blame: Blame;
  readonly #stopping = new AbortController();
  #restricted: Partial<ProviderLimits> = {};
  #state: ProviderState = { name: "closed", since: new Date(), error: undefined };
  #tokensPerCharacter = FIRST_TOKENS_PER_CHARACTER;

  /** @param limiter of the providers that share a rate limit; by default its own */
  constructor(provider: Provider, policy: Partial<RetryPolicy> = {}, limiter?: Limiter) {
    super();
    this.backend = provider.backend;
    this.model = provider.model;
    this.dimensions = provider.dimensions;
    this.fingerprint = provider.fingerprint;
    this.earlierName = provider.earlierName;
    this.queryFingerprint = provider.queryFingerprint;
    this.#provider = provider;
    this.#policy = { ...DEFAULT_POLICY, ...policy };
    this.#limiter = limiter ?? new Limiter(this.#policy);
    this.#circuit = new Circuit(
      this.#policy,
      (signal) => this.#probe(signal),
      () => {
        const { error } = this.#circuit;
        this.#setState(error === undefined ? "closed" : "open", error);
      },
    );
    this.#blame = new Blame(this.#circuit);
  }

  get limits(): Provider["limits"] {
    return { ...this.#provider.limits, ...this.#restricted };
  }

  restrict({ inputs, characters }: Partial<ProviderLimits>): void {
    const known = this.limits;
    this.#restricted = {
      inputs: Math.min(known.inputs, inputs ?? known.inputs),
      characters: Math.min(known.characters, characters ?? known.characters),
    };
  }

  /** Ends every wait and every retry: from now on nothing is sent, and only requests in flight are completed. */
  stop(): void {
    this.#stopping.abort(new ProviderError("unavailable", "stopping"));
    this.#circuit.close();
  }

  get state(): ProviderState {
    return this.#state;
  }

  /** When the provider is asked again; undefined while it is being asked. */
  get nextTryAt(): Date | undefined {
    if (this.#state.name === "open") return this.#circuit.nextProbeAt;
    const pauseMs = this.#limiter.rate.pausedUntil - performance.now();
    return pauseMs > 0 ? new Date(Date.now() + pauseMs) : undefined;
  }

  /** The rate limit as estimated; undefined while nothing is known. */
  get requestsPerMinute(): number | undefined {
    return this.#limiter.rate.requestsPerMinute;
  }

  /** How many requests may be in flight at once, now. */
  get concurrency(): number {
    return this.#limiter.concurrency;
  }

  async ready(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      await this.#circuit.whenClosed(signal);
      const pause = this.#limiter.rate.pausedUntil - performance.now();
      if (pause <= 0) return;
      await sleep(pause, signal);
    }
  }

  async embed(
    texts: readonly string[],
    role: Role,
    signal: AbortSignal,
    options: EmbedOptions = {},
  ): Promise<Embeddings> {
    using call = new Call(this.#circuit, signal, this.#stopping.signal, this.#policy.maxWaitMs);
    return await this.#blame.examine(texts, call, (isWitnessed) =>
      this.#embed(texts, role, signal, call, options, isWitnessed),
    );
  }

  async #embed(
    texts: readonly string[],
    role: Role,
    signal: AbortSignal,
    call: Call,
    options: EmbedOptions,
    isWitnessed: boolean,
  ): Promise<Embeddings> {
    const attempts = texts.length > 1 ? 1 : (options.attempts ?? this.#policy.maxRetries + 1);
    // With so many attempts the circuit probes in between. A caller who asks for few sends such a text again.
    let isExamined =
      texts.length > 1 || attempts >= this.#policy.failuresToProbe || options.attempts !== undefined;
    let startedAt = performance.now();
    let throttled = 0;
    for (let attempt = 1; ;) {
      if (!call.isOver) startedAt = performance.now();
      const turn = turnOf({ ...turnByRole(role), ...options.turn }, attempt);
      const outcome = await this.#request(texts, role, turn, signal, call.signal).catch(asProviderError);
      if (!(outcome instanceof ProviderError)) return outcome;
      // It was not sent.
      if (outcome === call.signal.reason) throw outcome;
      if (outcome.kind === "throttled") {
        if (call.isOver) throw outcome;
        const mayBeTooLarge = texts.length > 1 && ++throttled === THROTTLED_TO_DIVIDE;
        if (mayBeTooLarge && (await this.#circuit.isAnsweringOthers(startedAt))) throw tooLarge(outcome);
        continue;
      }
      const isRefusal = outcome.kind === "row";
      if (isRefusal && outcome.tooMuch?.most !== undefined && outcome.tooMuch.most < texts.length)
        throw outcome;
      const isLast = attempt >= (isBusy(outcome) ? Math.max(2, attempts) : attempts);
      if (isRefusal || isLast || call.isOver) {
        const final =
          call.end === "stopping" ? outcome : await this.#blame.explain(outcome, startedAt, attempt);
        if (final === this.#circuit.error) this.#blame.suspect(texts, outcome, isWitnessed);
        if (isRefusal || final.kind !== "row" || isExamined || call.isOver) throw final;
        // The provider may have recovered only now: these texts have not failed yet at a provider that answers others.
        isExamined = true;
        attempt++;
        continue;
      }
      call.lastError = outcome;
      await this.#circuit.failed(outcome);
      if (this.#circuit.error !== undefined) this.#blame.suspect(texts, outcome, isWitnessed);
      await this.#backOff(outcome, attempt, call.signal);
      attempt++;
    }
  }

  async close(): Promise<void> {
    this.#circuit.close();
    await this.#provider.close();
  }

  /** @param wait aborts the wait for a turn; `signal` aborts the request itself */
  async #request(
    texts: readonly string[],
    role: Role,
    turn: Turn,
    signal: AbortSignal,
    wait: AbortSignal,
  ): Promise<Embeddings> {
    const characters = texts.reduce((sum, text) => sum + text.length, 0);
    try {
      const cost = { tokens: characters * this.#tokensPerCharacter, turn };
      const answer = await this.#limiter.run(cost, wait, (onReceived) =>
        this.#provider.embed(texts, role, signal, { onReceived, stopping: this.#stopping.signal }),
      );
      if (answer.tokens > 0 && !answer.areTokensEstimated && characters > 0) {
        this.#tokensPerCharacter += (answer.tokens / characters - this.#tokensPerCharacter) / 8;
      }
      this.#blame.clear(texts);
      this.#circuit.succeeded();
      if (this.#state.name === "throttled") this.#setState("closed", undefined);
      return answer;
    } catch (error) {
      if (error instanceof ProviderError && error.kind === "throttled" && this.#circuit.error === undefined) {
        if (this.#limiter.rate.pausedUntil > performance.now()) this.#setState("throttled", error);
      }
      throw error;
    }
  }

  async #backOff(error: ProviderError, attempt: number, signal: AbortSignal): Promise<void> {
    const { backoffMs: baseMs, maxPauseMs } = this.#policy;
    const requested = Math.min(error.retryAfterMs ?? 0, maxPauseMs);
    const pauseMs = Math.max(backoffMs(attempt - 1, baseMs, maxPauseMs), requested);
    if (signal.aborted) return;
    this.emit("retry", { attempt, pauseMs, error });
    // Where the call ends during the pause, the next attempt gets no turn.
    await sleep(pauseMs, signal).catch(() => undefined);
  }

  /** @returns whether the harmless text was answered; false where the provider asks for fewer requests */
  async #probe(signal: AbortSignal): Promise<boolean> {
    try {
      await this.#provider.embed([PROBE_TEXT], "document", signal);
      return true;
    } catch (error) {
      const failure = asProviderError(error);
      if (failure.kind === "throttled") return false;
      throw failure.kind === "row" ? refusesAll(failure) : failure;
    }
  }

  #setState(name: ProviderState["name"], error: ProviderError | undefined): void {
    const since = name === this.#state.name ? this.#state.since : new Date();
    this.#state = { name, since, error };
    this.emit("state", this.#state);
  }
}

function turnByRole(role: Role): Turn {
  return { purpose: role === "query" ? "question" : "change", source: "", weight: 1 };
}

/** A change that failed before lets the others go first. */
function turnOf(turn: Turn, attempt: number): Turn {
  return attempt > 1 && turn.purpose === "change" ? { ...turn, purpose: "retry" } : turn;
}

function asProviderError(error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  throw error;
}

function tooLarge({ message, status }: ProviderError): ProviderError {
  return new ProviderError("row", message, { status, tooMuch: { unit: "unknown" } });
}

/** A server that asks for patience, or says that it is overloaded, does not mean the texts. */
function isBusy({ status, retryAfterMs }: ProviderError): boolean {
  return retryAfterMs !== undefined || status === 503 || status === 529;
}
