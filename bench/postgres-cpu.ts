import { readdir, readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

const SAMPLE_MS = 25;
const NANOSECONDS = 1e9;

/**
 * CPU seconds of the server processes that work for one database, read from /proc while they run: a backend that has
 * ended may have used up to 25 ms more than was read. Undefined if the server is on another machine.
 */
export class PostgresCpu {
  readonly #title: RegExp;
  readonly #seconds = new Map<string, number>();
  #sampling: Promise<void> | undefined;
  #stopped = false;

  constructor(database: string) {
    this.#title = new RegExp(`^postgres: .*\\b${database}\\b`);
  }

  start(): void {
    this.#sampling = this.#sample();
  }

  async stop(): Promise<number | undefined> {
    this.#stopped = true;
    await this.#sampling;
    if (this.#seconds.size === 0) return undefined;
    return [...this.#seconds.values()].reduce((sum, seconds) => sum + seconds, 0);
  }

  async #sample(): Promise<void> {
    for (let round = 0; !this.#stopped; round++) {
      if (round % 4 === 0) await this.#find();
      for (const pid of this.#seconds.keys()) await this.#read(pid);
      await delay(SAMPLE_MS);
    }
    for (const pid of this.#seconds.keys()) await this.#read(pid);
  }

  async #find(): Promise<void> {
    for (const pid of await readdir("/proc")) {
      if (!/^\d+$/.test(pid) || this.#seconds.has(pid)) continue;
      const title = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      if (this.#title.test(title)) this.#seconds.set(pid, 0);
    }
  }

  async #read(pid: string): Promise<void> {
    const line = await readFile(`/proc/${pid}/schedstat`, "utf8").catch(() => "");
    const nanoseconds = Number(line.split(" ")[0]);
    if (nanoseconds > 0) this.#seconds.set(pid, nanoseconds / NANOSECONDS);
  }
}
