/** Runs at most `width` tasks at a time; starting another waits until there is room. */
export class ConcurrencyLimit {
  readonly width: number;
  readonly #running = new Set<Promise<void>>();

  constructor(width: number) {
    this.width = width;
  }

  get busy(): number {
    return this.#running.size;
  }

  /** Resolves when the task has started, not when it has ended. The task must not reject. */
  async start(task: () => Promise<void>): Promise<void> {
    await this.hasRoom();
    const running: Promise<void> = task().finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Resolves when a task could start at once. */
  async hasRoom(): Promise<void> {
    while (this.#running.size >= this.width) await Promise.race(this.#running);
  }
}
