import { onAbort } from "./on-abort.ts";

/**
 * A signal that aborts when `parent` does or after `ms`, whichever comes first. `AbortSignal.any` with an
 * `AbortSignal.timeout` never aborts in Node 20 once its memory was collected, and else keeps each of its children alive
 * for as long as the listener's own signal lives.
 */
export class Deadline implements Disposable {
  readonly signal: AbortSignal;
  /** Whether the time ran out, rather than the caller aborting. */
  expired = false;
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #unfollow: () => void;

  constructor(parent: AbortSignal | undefined, ms: number) {
    this.signal = this.#controller.signal;
    this.#timer = setTimeout(() => {
      this.expired = true;
      this.#controller.abort(new DOMException(`no answer within ${ms} ms`, "TimeoutError"));
    }, ms);
    this.#unfollow =
      parent === undefined
        ? () => undefined
        : onAbort(parent, () => {
            this.#controller.abort(parent.reason);
          });
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#unfollow();
  }
}
