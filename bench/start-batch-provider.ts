import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { endWithUs } from "./end-with-us.ts";

const MAIN = fileURLToPath(new URL("batch-provider-main.ts", import.meta.url));

export interface BatchOrders {
  /** No batch ends. */
  readonly isHeld?: boolean;
  /** So many of the next batches lose their output file. */
  readonly losesFiles?: number;
}

export interface BatchCounts {
  /** Input files that it was sent. */
  readonly uploads: number;
  readonly batches: number;
  /** Files that nobody has deleted. */
  readonly files: number;
  /** Of files that were read. */
  readonly servedBytes: number;
  /** Texts that were paid for by batches, and by requests. */
  readonly batched: number;
  readonly live: number;
  /** Texts whose vectors it has lost. */
  readonly lost: number;
  /** Texts that were paid for more often than once, beyond what it has lost. */
  readonly paidTwice: readonly string[];
}

export interface BatchProvider {
  /** For OPENAI_BASE_URL. */
  readonly url: string;
  /** @param orders what it does from now on */
  counts(orders?: BatchOrders): Promise<BatchCounts>;
  close(): void;
}

/** Starts the stand-in with a batch API in a process of its own. */
export async function startBatchProvider(options: {
  readonly dimensions: number;
  /** Of a request. */
  readonly latencyMs: number;
}): Promise<BatchProvider> {
  const child = spawn(process.execPath, ["--import", "tsx", MAIN, JSON.stringify(options)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  endWithUs(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => {
    const next = (await lines.next()) as IteratorResult<string, undefined>;
    if (next.done === true) throw new Error("the stand-in provider ended");
    return next.value;
  };
  return {
    url: await line(),
    async counts(orders = {}) {
      child.stdin.write(`${JSON.stringify(orders)}\n`);
      return JSON.parse(await line()) as BatchCounts;
    },
    close() {
      child.stdin.end();
    },
  };
}
