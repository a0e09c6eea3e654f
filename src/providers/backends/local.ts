import type { Worker } from "node:worker_threads";
import { startWorkerThread } from "../../worker-thread.ts";
import { defineBackend } from "../backend-definition.ts";
import type { Backend, RawAnswer } from "../backend.ts";
import { cutText } from "../cut-text.ts";
import type { LocalAnswer, LocalJob } from "./local-worker.ts";
import { onAbort } from "../on-abort.ts";
import { ProviderError } from "../provider-error.ts";
import type { ProviderLimits } from "../provider.ts";
import type { Role } from "../roles/role.ts";
import type { CommonSettings } from "../provider-settings.ts";

/** The model that npm carries: no key, no server, no download. */
export interface LocalSettings extends CommonSettings {
  readonly backend: "local";
}

/** No row fails for a long text: like most small models, this one reads only its start. */
const LIMITS: ProviderLimits = { inputs: 64, characters: 1_000_000, textCharacters: 1_000_000 };
/**
 * The model reads 128 tokens, about 550 characters of English, and no character after the first thousand ever changed a
 * vector. The tokenizer would read on, in a time that grows with the square of the length.
 */
const CHARACTERS_READ = 1_000;
/** So few that an abort waits only briefly; more gain nothing. */
const TEXTS_PER_JOB = 8;

interface Waiting {
  readonly resolve: (floats: Float32Array<ArrayBuffer>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Universal Sentence Encoder lite, whose weights npm carries: 512 dimensions, English, made for the first run and
 * not for production. It computes in a worker thread, since a batch would block the event loop for most of a second.
 */
class Local implements Backend {
  readonly name = "local";
  readonly model = "universal-sentence-encoder-lite";
  readonly limits: ProviderLimits;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #lastId = 0;

  constructor(settings: LocalSettings) {
    this.limits = { ...LIMITS, ...settings.limits };
  }

  async ask(texts: readonly string[], _role: Role, signal: AbortSignal): Promise<RawAnswer> {
    const cut = texts.map((text) => cutText(text, CHARACTERS_READ));
    // The model throws at an empty text, and a text without words has no vector.
    if (cut.some((text) => text.trim() === "")) {
      throw new ProviderError("row", "A text without words has no vector. Change the text.");
    }
    const vectors: Float32Array[] = [];
    for (let from = 0; from < cut.length; from += TEXTS_PER_JOB) {
      const job = cut.slice(from, from + TEXTS_PER_JOB);
      const floats = await this.#run(job, signal);
      const length = floats.length / job.length;
      for (let i = 0; i < job.length; i++) vectors.push(floats.subarray(i * length, (i + 1) * length));
    }
    return { vectors, tokens: 0 };
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  async #run(texts: readonly string[], signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    signal.throwIfAborted();
    const worker = (this.#worker ??= this.#start());
    const job: LocalJob = { id: ++this.#lastId, texts };
    const stopListening = onAbort(signal, () => {
      this.#waiting.get(job.id)?.reject(signal.reason);
    });
    worker.ref();
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.set(job.id, { resolve, reject });
        worker.postMessage(job);
      });
    } finally {
      stopListening();
      this.#waiting.delete(job.id);
      if (this.#waiting.size === 0) worker.unref();
    }
  }

  #start(): Worker {
    const worker = startWorkerThread("local-worker", import.meta.url);
    worker.on("message", ({ id, floats, problem }: LocalAnswer) => {
      const waiting = this.#waiting.get(id);
      if (floats !== undefined) waiting?.resolve(floats);
      else if (problem !== undefined)
        waiting?.reject(new ProviderError("unavailable", `The local model cannot be loaded: ${problem}`));
      else waiting?.reject(new ProviderError("row", "The local model cannot embed a text of the batch."));
    });
    worker.on("error", (error) => {
      this.#lost(worker, `The local model's thread failed (${error.name}).`);
    });
    worker.on("exit", () => {
      this.#lost(worker, "The local model's thread ended.");
    });
    return worker;
  }

  /** The next call starts another thread. */
  #lost(worker: Worker, message: string): void {
    if (this.#worker === worker) this.#worker = undefined;
    for (const waiting of this.#waiting.values()) waiting.reject(new ProviderError("unavailable", message));
  }
}

export const local = defineBackend({
  id: "local",
  environment: {},
  secrets: [],
  ofSource: {},
  // Known without asking, so that a new column does not wait until the model is loaded.
  dimensions: 512,
  resolve: ({ common }): LocalSettings => ({ ...common, backend: "local" }),
  open: (settings) => new Local(settings),
});
