import type { Worker } from "node:worker_threads";
import { startWorkerThread } from "../worker-thread.ts";
import type { EmbeddedReply, EmbeddedRequest, EmbeddedWorkerData } from "./embedded-worker.ts";

type Answered<To> = Extract<EmbeddedReply, { readonly to: To }> & { readonly failed?: never };
interface Waiter {
  readonly to: EmbeddedReply["to"];
  readonly resolve: (reply: never) => void;
  readonly reject: (error: Error) => void;
}

/** The embedded Postgres' thread, as the main thread sees it. */
export class EmbeddedThread {
  readonly started: Promise<Answered<"start">>;
  /** Resolves when the thread has ended: with an error if it was not asked to close. */
  readonly ended: Promise<Error | undefined>;
  readonly #worker: Worker;
  #waiters: Waiter[] = [];

  constructor(workerData: EmbeddedWorkerData) {
    this.#worker = startWorkerThread("embedded-worker", import.meta.url, { workerData });
    this.started = this.#reply("start");
    this.ended = this.#watch();
    this.#worker.on("message", (reply: EmbeddedReply) => {
      this.#settle(reply);
    });
  }

  async snapshot(): Promise<Uint8Array> {
    return (await this.#ask("snapshot")).bytes;
  }

  async close(): Promise<void> {
    await this.#ask("close");
    await this.#end();
  }

  #ask<To extends EmbeddedRequest>(request: To): Promise<Answered<To>> {
    const reply = this.#reply(request);
    this.#worker.postMessage(request);
    return reply;
  }

  /** Terminates the thread: the remains of a failed engine can keep it alive for ever. */
  async #end(): Promise<void> {
    await this.#worker.terminate();
  }

  #reply<To extends EmbeddedReply["to"]>(to: To): Promise<Answered<To>> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ to, resolve, reject });
    });
  }

  #settle(reply: EmbeddedReply): void {
    const waiter = this.#waiters.find(({ to }) => to === reply.to);
    this.#waiters = this.#waiters.filter((other) => other !== waiter);
    if ("failed" in reply)
      waiter?.reject(Object.assign(new Error(reply.failed.message), { code: reply.failed.code }));
    else waiter?.resolve(reply as never);
  }

  #watch(): Promise<Error | undefined> {
    return new Promise((resolve) => {
      let failure: Error | undefined;
      this.#worker.on("error", (error) => (failure = error));
      this.#worker.on("exit", () => {
        const over = new Error("The embedded Postgres has stopped.", { cause: failure });
        for (const waiter of this.#waiters) waiter.reject(over);
        resolve(failure && over);
      });
    });
  }
}
