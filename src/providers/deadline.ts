/**
 * A signal that aborts when `signal` does or after `ms`, whichever is first. `AbortSignal.any` would do it too, but
 * keeps each of its children alive for as long as the listener's own signal lives.
 */
export class Deadline implements Disposable {
  readonly signal: AbortSignal;
  /** Whether the time ran out, and not the caller's patience. */
  expired = false;
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal;
  readonly #timer: NodeJS.Timeout;
  readonly #follow = (): void => {
    this.#controller.abort(this.#parent.reason);
  };

  constructor(parent: AbortSignal, ms: number) {
    this.signal = this.#controller.signal;
    this.#parent = parent;
    this.#timer = setTimeout(() => {
      this.expired = true;
      this.#controller.abort(new Error(`no answer within ${ms} ms`));
    }, ms);
    if (parent.aborted) this.#follow();
    else parent.addEventListener("abort", this.#follow, { once: true });
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#parent.removeEventListener("abort", this.#follow);
  }
}
