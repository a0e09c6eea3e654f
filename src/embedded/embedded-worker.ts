/** The embedded Postgres' thread: SQL blocks this thread's event loop and no other. */
import { parentPort, workerData } from "node:worker_threads";
import { Engine, type EngineOptions } from "./engine.ts";
import { Housekeeping } from "./housekeeping.ts";
import { WireServer } from "./wire-server.ts";

export interface EmbeddedWorkerData {
  readonly engine: EngineOptions;
  readonly port: number;
  readonly housekeepingIntervalMs: number;
}

/** A request to the thread. The reply has the same name. */
export type EmbeddedRequest = "snapshot" | "close";
export type EmbeddedReply =
  | { readonly to: "start"; readonly port: number }
  | { readonly to: "snapshot"; readonly bytes: Uint8Array }
  | { readonly to: "close" }
  | {
      readonly to: "start" | EmbeddedRequest;
      readonly failed: { readonly message: string; readonly code: unknown };
    };

if (!parentPort) throw new Error("embedded-worker runs as a worker thread only");
const main = parentPort;
await start(workerData as EmbeddedWorkerData).catch((error: unknown) => {
  replyFailed("start", error);
});

async function start(data: EmbeddedWorkerData): Promise<void> {
  const engine = await Engine.open(data.engine);
  const server = new WireServer(engine, (error) => {
    throw error;
  });
  const port = await server.listen(data.port);
  const housekeeping = new Housekeeping(engine, server, data.housekeepingIntervalMs);

  const snapshot = async () => {
    reply({ to: "snapshot", bytes: await server.betweenTransactions(() => engine.snapshot()) });
  };
  const close = async () => {
    await housekeeping.stop();
    await server.close();
    await engine.query("checkpoint");
    await engine.close();
    reply({ to: "close" });
  };
  main.on("message", (request: EmbeddedRequest) => {
    (request === "close" ? close() : snapshot()).catch((error: unknown) => {
      replyFailed(request, error);
    });
  });
  reply({ to: "start", port });
}

function reply(message: EmbeddedReply): void {
  main.postMessage(message);
}

function replyFailed(to: EmbeddedReply["to"], error: unknown): void {
  const { message, code } = error as NodeJS.ErrnoException;
  reply({ to, failed: { message, code } });
}
