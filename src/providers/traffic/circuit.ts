import { EventEmitter, once } from "node:events";
import { ProviderError } from "../provider-error.ts";
import { sleep } from "../../timing/sleep.ts";

export interface CircuitSettings {
  /** Failures in a row, of all workers together, before a probe is sent. */
  readonly failuresToProbe: number;
  /** The first pause between two probes while open, in ms; see `OUTAGE_PAUSES`. */
  readonly probeMs: number;
  /** The longest such pause, in ms. */
  readonly maxProbeMs: number;
}

/**
 * The first pause between probes, in `probeMs`, and how it grows. Slower than doubling: after an outage, nothing is sent for
 * at most half of the time that it lasted.
 */
const OUTAGE_PAUSES = [1, 1.5] as const;
/** A wrong setup waits for a person, and its requests may be charged for. */
const SETUP_PAUSES = [3, 2] as const;

/**
 * Whether requests are sent to the provider. A probe is one small request.
 *
 *   closed ──failures in a row, one of the kind `setup`, ───▶ a probe is sent
 *     ▲      or a request that is given up                      │
 *     ├──────────────────────── answered ◀─────────────────────┤
 *     │                                                         ▼ failed
 *     └── a probe, or a request still in flight, is answered ── open: probes, at growing intervals
 *
 * Where a request fails and a probe is answered, the cause is in the texts of the request.
 */
export class Circuit {
  readonly #settings: CircuitSettings;
  readonly #probe: (signal: AbortSignal) => Promise<boolean>;
  readonly #onChange: () => void;
  readonly #closing = new AbortController();
  #failures = 0;
  #probing: Promise<boolean> | undefined;
  #lastSuccessAt = Number.NEGATIVE_INFINITY;
  #error: ProviderError | undefined;
  #nextProbeAt: Date | undefined;
  readonly #changes = new EventEmitter<{ closed: [] }>().setMaxListeners(0);
  readonly #onceOpen = new Set<(error: ProviderError) => void>();

  /** @param probe one small request; resolves when the provider answers: to false where it says "too many requests" */
  constructor(
    settings: CircuitSettings,
    probe: (signal: AbortSignal) => Promise<boolean>,
    onChange: () => void,
  ) {
    this.#settings = settings;
    this.#probe = probe;
    this.#onChange = onChange;
  }

  /** Why it is open; undefined while it is closed. */
  get error(): ProviderError | undefined {
    return this.#error;
  }

  /** When the next probe is sent; undefined while it is closed, and while a probe is under way. */
  get nextProbeAt(): Date | undefined {
    return this.#nextProbeAt;
  }

  /** Resolves as soon as it is closed. @throws the signal's reason */
  async whenClosed(signal: AbortSignal): Promise<void> {
    while (this.#error !== undefined) {
      await once(this.#changes, "closed", { signal }).catch((error: unknown) => {
        signal.throwIfAborted();
        throw error;
      });
    }
  }

  /** Calls back once, when it opens; returns a function that cancels this. */
  onceOpen(callback: (error: ProviderError) => void): () => void {
    this.#onceOpen.add(callback);
    return () => this.#onceOpen.delete(callback);
  }

  succeeded(): void {
    this.#failures = 0;
    this.#lastSuccessAt = performance.now();
    if (this.#error !== undefined) this.#close();
  }

  /** Counts a failure; resolves when it is known whether requests may go on. */
  async failed(error: ProviderError): Promise<void> {
    this.#failures++;
    const enough = error.kind === "setup" || this.#failures >= this.#settings.failuresToProbe;
    if (enough) await this.isAnsweringOthers(performance.now());
  }

  /**
   * Whether the provider has answered any request since `since`, or answers a probe now. Where it does not, the circuit is
   * open; where it asks for fewer requests, that says nothing either way.
   */
  async isAnsweringOthers(since: number): Promise<boolean> {
    if (this.#error !== undefined) return false;
    if (this.#lastSuccessAt > since) return true;
    this.#probing ??= this.#probeOnce().finally(() => (this.#probing = undefined));
    return await this.#probing;
  }

  close(): void {
    this.#closing.abort(new ProviderError("unavailable", "The provider was closed."));
  }

  async #probeOnce(): Promise<boolean> {
    const startedAt = performance.now();
    try {
      const isAnswered = await this.#probe(this.#closing.signal);
      if (isAnswered) this.succeeded();
      return isAnswered;
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      // Another request was answered while the probe was under way.
      if (this.#lastSuccessAt > startedAt) return true;
      if (!this.#closing.signal.aborted && this.#error === undefined) this.#open(error);
      return false;
    }
  }

  #open(error: ProviderError): void {
    this.#error = error;
    this.#onChange();
    for (const callback of this.#onceOpen) callback(error);
    this.#onceOpen.clear();
    this.#keepProbing(error).catch((reason: unknown) => {
      if (!this.#closing.signal.aborted) throw reason;
    });
  }

  async #keepProbing(error: ProviderError): Promise<void> {
    const { probeMs, maxProbeMs } = this.#settings;
    let requestedMs = error.retryAfterMs ?? 0;
    const [first, growth] = error.kind === "setup" ? SETUP_PAUSES : OUTAGE_PAUSES;
    for (let pause = probeMs * first; this.#error !== undefined; pause *= growth) {
      // Half of it is random, so that several listeners do not probe at the same moment.
      const jittered = Math.min(pause, maxProbeMs) * (0.5 + Math.random() / 2);
      const pauseMs = Math.min(Math.max(jittered, requestedMs), maxProbeMs);
      this.#nextProbeAt = new Date(Date.now() + pauseMs);
      await sleep(pauseMs, this.#closing.signal);
      this.#nextProbeAt = undefined;
      if (this.#isClosed()) return;
      try {
        if (await this.#probe(this.#closing.signal)) this.succeeded();
        else this.#close();
      } catch (failure) {
        if (!(failure instanceof ProviderError)) throw failure;
        // A request that was in flight has closed it meanwhile.
        if (this.#isClosed()) return;
        requestedMs = failure.retryAfterMs ?? 0;
        this.#error = failure;
        this.#onChange();
      }
    }
  }

  #isClosed(): boolean {
    return this.#error === undefined;
  }

  #close(): void {
    this.#error = undefined;
    this.#nextProbeAt = undefined;
    this.#failures = 0;
    this.#onChange();
    this.#changes.emit("closed");
  }
}
