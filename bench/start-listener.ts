import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { endWithUs } from "./end-with-us.ts";

const MAIN = fileURLToPath(new URL("listener-main.ts", import.meta.url));

export interface Memory {
  readonly residentMegabytes: number;
  /** The heap after a garbage collection. */
  readonly heapMegabytes: number;
  readonly bufferMegabytes: number;
}

export interface ListenerProcess {
  memory(): Promise<Memory>;
  stop(): Promise<void>;
}

/** Starts a listener in a process of its own, and waits until it receives notifications. */
export async function startListener(
  databaseUrl: string,
  providerUrl: string,
  settings: Readonly<Record<string, string>> = {},
  bare = false,
): Promise<ListenerProcess> {
  const environment = {
    DATABASE_URL: databaseUrl,
    EMBEDDING_BACKEND: "llm_api",
    OPENAI_BASE_URL: providerUrl,
    OPENAI_API_KEY: "none",
    OPENAI_EMBED_MODEL: "bench",
    EMBED_SHUTDOWN_MS: "1000",
    ...settings,
  };
  const child = spawn(
    process.execPath,
    ["--import", "tsx", MAIN, JSON.stringify(environment), ...(bare ? ["--bare"] : [])],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  endWithUs(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return {
    async memory() {
      child.stdin.write("\n");
      const { value } = (await lines.next()) as IteratorYieldResult<string>;
      return JSON.parse(value) as Memory;
    },
    async stop() {
      const closed = once(child, "close");
      child.stdin.end();
      await closed;
    },
  };
}
