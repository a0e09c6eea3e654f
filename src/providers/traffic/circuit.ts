import { EventEmitter, once } from "node:events";
import { ProviderError } from "../provider-error.ts";
import { sleep } from "../sleep.ts";

export interface CircuitSettings {
  /** Failures in a row, over all lanes, before the water is tested. */
  readonly failuresToProbe: number;
  /** The first pause between two probes while open, in ms; each is half as long again. */
  readonly probeMs: number;
  /** The longest such pause, in ms. */
  readonly maxProbeMs: number;
}

/** Slower than doubling: what an outage costs after it is over is at most half of what it lasted. */
const PAUSE_GROWTH = 1.5;

/**
 * Whether the provider is worth asking.
 *
 *   closed ──failures in a row, or one that says the setup is wrong──▶ probed: one small request
 *     ▲                                                              │
 *     ├────────────────────────── answered ◀────────────────────────┤
 *     │                                                              ▼ failed
 *     └──────── a probe, or a request still under way, is answered ── open: probes, ever rarer
 *
 * A failure that a probe does not share follows the texts it was about, not the provider.
 */
export class Circuit {
  readonly #settings: CircuitSettings;
  readonly #probe: (signal: AbortSignal) => Promise<void>;
  readonly #onChange: () => void;
  readonly #closing = new AbortController();
  #failures = 0;
  #probing: Promise<boolean> | undefined;
  #lastSuccessAt = Number.NEGATIVE_INFINITY;
  #error: ProviderError | undefined;
  readonly #changes = new EventEmitter<{ closed: [] }>().setMaxListeners(0);
  readonly #waiting = new Set<(error: ProviderError) => void>();

  /** @param probe one small request; resolves when the provider answers, even if it only says "slower" */
  constructor(
    settings: CircuitSettings,
    probe: (signal: AbortSignal) => Promise<void>,
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

  /** Resolves as soon as it is closed. @throws the signal's reason */
  async whenClosed(signal: AbortSignal): Promise<void> {
    while (this.#error !== undefined) {
      await once(this.#changes, "closed", { signal }).catch((error: unknown) => {
        signal.throwIfAborted();
        throw error;
      });
    }
  }

  /** Calls back once when it opens; returns how to take that back. */
  onceOpen(callback: (error: ProviderError) => void): () => void {
    this.#waiting.add(callback);
    return () => this.#waiting.delete(callback);
  }

  succeeded(): void {
    this.#failures = 0;
    this.#lastSuccessAt = performance.now();
    if (this.#error !== undefined) this.#close();
  }

  /** One more failure; resolves when it is known whether requests may go on. */
  async failed(error: ProviderError): Promise<void> {
    this.#failures++;
    const enough = error.fault === "setup" || this.#failures >= this.#settings.failuresToProbe;
    if (enough) await this.isAnsweringOthers(performance.now());
  }

  /** Whether the provider has answered anyone since `since`, or does so now when it is probed. */
  async isAnsweringOthers(since: number): Promise<boolean> {
    if (this.#error !== undefined) return false;
    if (this.#lastSuccessAt > since) return true;
    this.#probing ??= this.#askOnce().finally(() => (this.#probing = undefined));
    return await this.#probing;
  }

  close(): void {
    this.#closing.abort(new ProviderError("unwell", "The provider was closed."));
  }

  async #askOnce(): Promise<boolean> {
    try {
      await this.#probe(this.#closing.signal);
      this.succeeded();
      return true;
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      if (!this.#closing.signal.aborted && this.#error === undefined) this.#open(error);
      return false;
    }
  }

  #open(error: ProviderError): void {
    this.#error = error;
    this.#onChange();
    for (const callback of this.#waiting) callback(error);
    this.#waiting.clear();
    this.#keepProbing(error).catch((reason: unknown) => {
      if (!this.#closing.signal.aborted) throw reason;
    });
  }

  async #keepProbing(error: ProviderError): Promise<void> {
    const { probeMs, maxProbeMs } = this.#settings;
    let asked = error.retryAfterMs ?? 0;
    for (let pause = probeMs; this.#error !== undefined; pause *= PAUSE_GROWTH) {
      // Half of it by chance, so that several listeners do not all knock at once.
      const jittered = Math.min(pause, maxProbeMs) * (0.5 + Math.random() / 2);
      await sleep(Math.min(Math.max(jittered, asked), maxProbeMs), this.#closing.signal);
      if (this.#isClosed()) return;
      try {
        await this.#probe(this.#closing.signal);
        this.succeeded();
      } catch (failure) {
        if (!(failure instanceof ProviderError)) throw failure;
        asked = failure.retryAfterMs ?? 0;
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
    this.#failures = 0;
    this.#onChange();
    this.#changes.emit("closed");
  }
}
