import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { RateLimit } from "../test/support/rate-limit.ts";

const MAIN = fileURLToPath(new URL("provider-main.ts", import.meta.url));

export interface Counts {
  /** Those that were answered. */
  readonly requests: number;
  /** Those that were over the limit. */
  readonly refused: number;
  readonly texts: number;
  /** From the first request after the probe to the last answer, in ms. */
  readonly windowMs: number;
}

export interface StandIn {
  /** For OPENAI_BASE_URL. */
  readonly url: string;
  /** Counts of what was answered since the last call. */
  counts(): Promise<Counts>;
  close(): void;
}

/** Starts the stand-in provider in a process of its own. */
export async function startProvider(options: {
  readonly dimensions: number;
  readonly latencyMs: number;
  /** The number of different vectors, which are returned in turn. */
  readonly vectors?: number;
  /** Answers 429 beyond that; its first window begins with the first request of several texts. */
  readonly limit?: RateLimit;
}): Promise<StandIn> {
  const settings = JSON.stringify({ vectors: 1024, ...options });
  const child = spawn(process.execPath, ["--import", "tsx", MAIN, settings], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => {
    const next = (await lines.next()) as IteratorResult<string, undefined>;
    if (next.done === true) throw new Error("the stand-in provider ended");
    return next.value;
  };
  return {
    url: await line(),
    async counts() {
      child.stdin.write("\n");
      return JSON.parse(await line()) as Counts;
    },
    close() {
      child.stdin.end();
    },
  };
}
