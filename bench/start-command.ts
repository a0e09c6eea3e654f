import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { endWithUs } from "./end-with-us.ts";
import { peakMegabytes } from "./run-backfill-command.ts";

const CLI = fileURLToPath(new URL("../dist/cli.js", import.meta.url));

export interface RunningCommand {
  readonly pid: number;
  readonly isRunning: boolean;
  /** Megabytes of memory that it has had at most; NaN where there is no /proc. */
  peak(): Promise<number>;
  kill(signal: "SIGKILL" | "SIGTERM"): Promise<void>;
  /** @returns its exit code */
  readonly closed: Promise<number | null>;
}

/** Starts a command of pg-autoembed, as it was built. */
export function startCommand(
  args: readonly string[],
  databaseUrl: string,
  providerUrl: string,
  settings: Readonly<Record<string, string>>,
): RunningCommand {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: {
      PATH: process.env["PATH"],
      DATABASE_URL: databaseUrl,
      EMBEDDING_BACKEND: "llm_api",
      OPENAI_BASE_URL: providerUrl,
      OPENAI_API_KEY: "none",
      OPENAI_EMBED_MODEL: "bench",
      ...settings,
    },
    stdio: ["ignore", "ignore", "ignore"],
  });
  endWithUs(child);
  const closed = once(child, "close").then(([code]) => code as number | null);
  return {
    pid: child.pid ?? 0,
    closed,
    get isRunning() {
      return child.exitCode === null && child.signalCode === null;
    },
    peak: () => peakMegabytes(child.pid),
    async kill(signal) {
      child.kill(signal);
      await closed;
    },
  };
}
