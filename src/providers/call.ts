import type { Circuit } from "./traffic/circuit.ts";
import { onAbort } from "./on-abort.ts";
import { ProviderError } from "./provider-error.ts";

/** The life of one patient call: over when its caller aborts, the circuit opens, or its patience ends. */
export class Call implements Disposable {
  /** What its last request came to, if that was a failure. */
  lastError: ProviderError | undefined;
  end: "caller" | "circuit" | "patience" | undefined;
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #unfollow: () => void;
  readonly #forget: () => void;

  /** @throws {ProviderError} why the circuit is open, where it is */
  constructor(circuit: Circuit, caller: AbortSignal, patienceMs: number) {
    caller.throwIfAborted();
    if (circuit.error !== undefined) throw circuit.error;
    this.#unfollow = onAbort(caller, () => {
      this.#finish("caller", caller.reason);
    });
    this.#forget = circuit.onceOpen((error) => {
      this.#finish("circuit", error);
    });
    this.#timer = setTimeout(() => {
      const message = `No answer within ${patienceMs} ms of waiting for a turn; the texts go back.`;
      this.#finish("patience", this.lastError ?? new ProviderError("throttled", message));
    }, patienceMs);
  }

  /** Ends the waits of the call, and no request that is under way. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isOver(): boolean {
    return this.end !== undefined;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#forget();
    this.#unfollow();
  }

  #finish(end: "caller" | "circuit" | "patience", reason: unknown): void {
    this.end ??= end;
    this.#controller.abort(reason);
  }
}
