import type { Worker } from "node:worker_threads";
import { startWorkerThread } from "../worker-thread.ts";
import type { ModelAnswer, ModelRequest } from "./model-jobs.ts";
import { onAbort } from "../timing/on-abort.ts";
import { ProviderError } from "./provider-error.ts";

interface Waiting {
  readonly resolve: (floats: Float32Array<ArrayBuffer>) => void;
  readonly reject: (error: unknown) => void;
}

interface ThreadOptions {
  /** The worker's module without extension, next to `importer`. */
  readonly module: string;
  /** The caller's `import.meta.url`. */
  readonly importer: string;
  readonly workerData?: unknown;
  /** In messages: "The local model". */
  readonly who: string;
}

/**
 * A model of this process in a thread of its own, since a batch would block the event loop for most of a second. The first
 * job starts it, and so does the first after it has ended. It keeps no process alive.
 */
export class ModelThread {
  readonly #options: ThreadOptions;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #lastId = 0;

  constructor(options: ThreadOptions) {
    this.#options = options;
  }

  /** @returns one vector per text, end to end. @throws {ProviderError} or, when aborted, the signal's reason */
  async run(texts: readonly string[], signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    signal.throwIfAborted();
    const worker = (this.#worker ??= this.#start());
    const id = ++this.#lastId;
    const post = (request: ModelRequest): void => {
      worker.postMessage(request);
    };
    const stopListening = onAbort(signal, () => {
      post({ cancel: id });
      this.#waiting.get(id)?.reject(signal.reason);
    });
    worker.ref();
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject });
        post({ id, texts });
      });
    } finally {
      stopListening();
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) worker.unref();
    }
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  #start(): Worker {
    const { module, importer, workerData, who } = this.#options;
    const worker = startWorkerThread(module, importer, { workerData });
    worker.on("message", (answer: ModelAnswer) => {
      if ("notice" in answer) {
        process.emitWarning(answer.notice, "pg-autoembed");
        return;
      }
      const waiting = this.#waiting.get(answer.id);
      if ("floats" in answer) waiting?.resolve(answer.floats);
      else waiting?.reject(new ProviderError(answer.kind, answer.message, { tooLong: answer.tooLong }));
    });
    worker.on("error", (error) => {
      this.#lost(worker, `${who}'s thread failed (${error.name}).`);
    });
    worker.on("exit", () => {
      this.#lost(worker, `${who}'s thread ended.`);
    });
    return worker;
  }

  /** The next call starts another thread. */
  #lost(worker: Worker, message: string): void {
    if (this.#worker === worker) this.#worker = undefined;
    for (const waiting of this.#waiting.values()) waiting.reject(new ProviderError("unavailable", message));
  }
}
