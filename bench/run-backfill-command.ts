import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { endWithUs } from "./end-with-us.ts";

const CLI = fileURLToPath(new URL("../dist/cli.js", import.meta.url));
const LONGEST_MS = 30 * 60_000;
/** As in `npm run backfill`. */
const NODE_FLAGS = ["--max-semi-space-size=8"];

/**
 * Runs `npm run backfill`, as it was built, to its end, in requests of 512 texts, 4 at a time. Meanwhile calls `sample`
 * every `everyMs` with the megabytes of memory that the process has had at most (NaN where there is no /proc).
 */
export async function runBackfillCommand(
  databaseUrl: string,
  providerUrl: string,
  everyMs: number,
  sample: (peakMegabytes: number) => Promise<void>,
): Promise<void> {
  const child = spawn(process.execPath, [...NODE_FLAGS, CLI, "backfill", "--json"], {
    env: {
      PATH: process.env["PATH"],
      DATABASE_URL: databaseUrl,
      EMBEDDING_BACKEND: "llm_api",
      OPENAI_BASE_URL: providerUrl,
      OPENAI_API_KEY: "none",
      OPENAI_EMBED_MODEL: "bench",
      EMBED_BATCH_SIZE: "512",
      EMBED_MAX_CONCURRENCY: "4",
    },
    stdio: ["ignore", "ignore", "inherit"],
    timeout: LONGEST_MS,
  });
  endWithUs(child);
  const closed = once(child, "close");
  const running = { now: true };
  void closed.then(() => (running.now = false));
  while (running.now) {
    await sample(await peakMegabytes(child.pid));
    await Promise.race([delay(everyMs), closed]);
  }
  if (child.exitCode !== 0) throw new Error(`the backfill ended with ${child.exitCode ?? child.signalCode}`);
}

/** Megabytes of memory that a process has had at most; NaN where there is no /proc. */
export async function peakMegabytes(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid ?? 0}/status`, "utf8").catch(() => "");
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1024;
}
