import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Tally } from "./tally.ts";

const CLI = fileURLToPath(new URL("../dist/cli.js", import.meta.url));
const LAST_LINES = 8;

interface Running {
  readonly process: ChildProcess;
  /** The listener has logged that it listens. */
  ready: boolean;
  /** The chaos has sent the listener a signal that ends it. */
  condemned: boolean;
  readonly lastLines: string[];
}

/** Listener processes under supervision: whenever one ends, another is started. */
export class Listeners {
  readonly crashes: string[] = [];
  readonly exits: Tally;
  mostMegabytes = 0;
  readonly #environments: readonly NodeJS.ProcessEnv[];
  readonly #running: (Running | undefined)[] = [];
  #closing = false;

  /** @param environments one per listener */
  constructor(environments: readonly NodeJS.ProcessEnv[], exits: Tally) {
    this.#environments = environments;
    this.exits = exits;
  }

  start(): void {
    this.#environments.forEach((_, place) => {
      this.#spawn(place);
    });
  }

  /** The number of listeners that listen and have not been signalled. */
  get ready(): number {
    return this.#running.filter((listener) => listener?.ready === true && !listener.condemned).length;
  }

  /** Sends a signal to the listener at a place. @returns whether there was one. */
  hit(place: number, signal: NodeJS.Signals): boolean {
    const listener = this.#running[place % this.#environments.length];
    if (listener === undefined || !listener.ready) return false;
    if (signal !== "SIGCONT" && listener.condemned) return false;
    if (signal === "SIGKILL" || signal === "SIGTERM") listener.condemned = true;
    return listener.process.kill(signal);
  }

  /** Records the memory of the largest listener. */
  measure(): void {
    for (const listener of this.#running) {
      if (listener?.process.pid === undefined) continue;
      const megabytes = residentMegabytes(listener.process.pid);
      this.mostMegabytes = Math.max(this.mostMegabytes, megabytes);
    }
  }

  /** Ends all listeners if the chaos itself fails. */
  killAll(): void {
    this.#closing = true;
    for (const listener of this.#running) listener?.process.kill("SIGKILL");
  }

  /** Asks all listeners to stop, except those that are already stopping: a second signal ends at once. @returns how each ended. */
  async close(): Promise<string[]> {
    this.#closing = true;
    const ended = this.#running.map(async (listener) => {
      if (listener === undefined) return "was away";
      const { process, ready, condemned } = listener;
      listener.condemned = true;
      const exited = new Promise<string>((resolve) => {
        process.once("exit", (code, signal) => {
          resolve(String(code ?? signal));
        });
      });
      process.kill("SIGCONT");
      if (!condemned) process.kill("SIGTERM");
      const late = setTimeout(() => process.kill("SIGKILL"), 20_000);
      const how = await exited;
      clearTimeout(late);
      if (condemned) return "was ending";
      return ready ? how : "was starting";
    });
    return Promise.all(ended);
  }

  #spawn(place: number): void {
    const child = spawn(process.execPath, [CLI, "start"], {
      env: { ...process.env, ...this.#environments[place] },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const listener: Running = { process: child, ready: false, condemned: false, lastLines: [] };
    this.#running[place] = listener;
    createInterface({ input: child.stderr }).on("line", (line) => {
      if (line.includes('"listening for changes"')) listener.ready = true;
      listener.lastLines.push(line);
      if (listener.lastLines.length > LAST_LINES) listener.lastLines.shift();
    });
    child.once("exit", (code, signal) => {
      this.#ended(place, listener, code, signal);
    });
  }

  #ended(place: number, listener: Running, code: number | null, signal: NodeJS.Signals | null): void {
    this.exits.add(`${listener.condemned ? "after our signal" : "unasked"}: ${String(code ?? signal)}`);
    if (this.#closing) return;
    if (listener.ready && !listener.condemned) this.crashes.push(listener.lastLines.join("\n"));
    this.#running[place] = undefined;
    setTimeout(() => {
      if (!this.#closing) this.#spawn(place);
    }, 300);
  }
}

function residentMegabytes(pid: number): number {
  try {
    const found = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return Math.round(Number(found?.[1] ?? 0) / 1024);
  } catch {
    return 0;
  }
}
