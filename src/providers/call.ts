import type { Circuit } from "./traffic/circuit.ts";
import { onAbort } from "../timing/on-abort.ts";
import { ProviderError } from "./provider-error.ts";

/** Why a call sends nothing more. */
type End = "caller aborted" | "circuit open" | "stopping" | "waited too long";

/** One call of `RetryingProvider.embed`, with all of its requests and its waits. */
export class Call implements Disposable {
  /** The failure of its last request, where that failed. */
  lastError: ProviderError | undefined;
  end: End | undefined;
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #ignoreCaller: () => void;
  readonly #ignoreCircuit: () => void;
  readonly #ignoreStop: () => void;

  /** @throws {ProviderError} why the circuit is open, where it is, or the reason of `stopping` */
  constructor(circuit: Circuit, caller: AbortSignal, stopping: AbortSignal, maxWaitMs: number) {
    caller.throwIfAborted();
    stopping.throwIfAborted();
    if (circuit.error !== undefined) throw circuit.error;
    this.#ignoreStop = onAbort(stopping, () => {
      this.#finish("stopping", stopping.reason);
    });
    this.#ignoreCaller = onAbort(caller, () => {
      this.#finish("caller aborted", caller.reason);
    });
    this.#ignoreCircuit = circuit.onceOpen((error) => {
      this.#finish("circuit open", error);
    });
    this.#timer = setTimeout(() => {
      const message = `No answer within ${maxWaitMs} ms of waiting for a turn; the rows go back to pending.`;
      this.#finish("waited too long", this.lastError ?? new ProviderError("throttled", message));
    }, maxWaitMs);
  }

  /** Aborts the waits of the call at its end, and no request that is in flight. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isOver(): boolean {
    return this.end !== undefined;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#ignoreCircuit();
    this.#ignoreStop();
    this.#ignoreCaller();
  }

  #finish(end: End, reason: unknown): void {
    this.end ??= end;
    this.#controller.abort(reason);
  }
}
