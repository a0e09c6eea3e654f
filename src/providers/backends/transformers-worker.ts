import { workerData } from "node:worker_threads";
import { answerJobs } from "../model-jobs.ts";
import { ProviderError } from "../provider-error.ts";
import { SHORTEN } from "../what-follows.ts";
import { loadModel, type LoadedModel } from "./transformers-load.ts";
import type { TransformersSettings } from "./transformers-settings.ts";

const settings = workerData as TransformersSettings;
let loading: Promise<LoadedModel> | undefined;

answerJobs({
  who: `The model ${settings.model}`,
  embed: async (texts, signal) => {
    const model = await (loading ??= loadModel(settings)).catch(forget);
    // Before any is computed: a request with one that is too long is divided, and sent again.
    for (const text of texts) requireShort(model.countTokens(text), model.mostTokens);
    const vectors: Float32Array[] = [];
    // One at a time: with padding a text takes the memory of the longest, and quantized models round differently.
    for (const text of texts) {
      signal.throwIfAborted();
      vectors.push(await model.embed(text));
    }
    return joined(vectors);
  },
});

/** The next job loads the model again. */
function forget(error: unknown): never {
  loading = undefined;
  throw error;
}

function requireShort(tokens: number, most: number): void {
  if (tokens <= most) return;
  throw new ProviderError(
    "row",
    `The text has ${tokens} tokens, and ${most} are allowed (EMBED_TRANSFORMERS_MAX_TOKENS, or the model's own limit). ${SHORTEN}`,
    { tooLong: true },
  );
}

function joined(vectors: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const length = vectors[0]?.length ?? 0;
  const all = new Float32Array(vectors.length * length);
  for (const [i, vector] of vectors.entries()) all.set(vector, i * length);
  return all;
}
