import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { EnvHttpProxyAgent, setGlobalDispatcher } from "undici";
import { authorities } from "../dispatcher.ts";
import { notify } from "../model-jobs.ts";
import { ProviderError } from "../provider-error.ts";
import { vectorOf, type Outputs } from "./transformers-outputs.ts";
import { onnxFile, type TransformersSettings } from "./transformers-settings.ts";

/** A model in memory. */
export interface LoadedModel {
  /** With the tokens that the tokenizer puts around a text. */
  countTokens(text: string): number;
  /** More tokens in a text would be cut, or take too much memory. */
  readonly mostTokens: number;
  /** @returns a vector of unit length */
  embed(text: string): Promise<Float32Array>;
}

/** What is used of `@huggingface/transformers`, which is no dependency of this package. */
interface Library {
  readonly env: {
    allowLocalModels: boolean;
    allowRemoteModels: boolean;
    cacheDir: string;
    useFSCache: boolean;
    remoteHost: string;
    logLevel: number;
    fetch: typeof fetch;
  };
  readonly LogLevel: { readonly ERROR: number };
  readonly AutoTokenizer: { from_pretrained(model: string, options: object): Promise<Tokenizer> };
  readonly AutoModel: { from_pretrained(model: string, options: object): Promise<Model> };
}

interface Tokenizer {
  (text: string): object;
  readonly model_max_length: number;
  encode(text: string): readonly number[];
}

interface Model {
  (inputs: object): Promise<Outputs>;
  readonly config: { readonly max_position_embeddings?: number };
}

/** The memory that a text takes grows with the square of its tokens: with this many it is about 200 MB. */
const USUAL_MOST_TOKENS = 2_048;

/**
 * Loads a model from its folder, from the files that were downloaded earlier, or from its host.
 * @throws {ProviderError} `unavailable` where the host does not answer, else `setup`
 */
export async function loadModel(settings: TransformersSettings): Promise<LoadedModel> {
  const { maxTokens = USUAL_MOST_TOKENS } = settings;
  try {
    const { tokenizer, model } = await open(settings);
    return {
      countTokens: (text) => tokenizer.encode(text).length,
      mostTokens: Math.min(
        maxTokens,
        tokenizer.model_max_length,
        model.config.max_position_embeddings ?? Infinity,
      ),
      embed: async (text) => {
        const outputs = await model(tokenizer(text));
        try {
          return vectorOf(outputs, settings);
        } finally {
          for (const tensor of Object.values(outputs)) tensor.dispose();
        }
      },
    };
  } catch (error) {
    throw notLoaded(error, settings);
  }
}

/** The host is asked only where a file is missing: it need not be there otherwise. */
async function open(settings: TransformersSettings): Promise<{ tokenizer: Tokenizer; model: Model }> {
  const { model, modelPath, cacheFolder, revision, dtype, download } = settings;
  const folder = modelPath ?? join(cacheFolder, model, revision === "main" ? "" : revision);
  const missing = missingFile(folder, dtype);
  if (missing !== undefined && (modelPath !== undefined || !download)) {
    throw new Error(`there is no ${missing}`);
  }
  const library = configuredLibrary(settings, missing !== undefined);
  const from = missing === undefined ? folder : model;
  const options = { revision, dtype, device: "cpu", local_files_only: missing === undefined };
  return {
    tokenizer: await library.AutoTokenizer.from_pretrained(from, options),
    model: await library.AutoModel.from_pretrained(from, options),
  };
}

/** The first of the files without which a model cannot be loaded. */
function missingFile(folder: string, dtype: TransformersSettings["dtype"]): string | undefined {
  const files = ["config.json", "tokenizer.json", "tokenizer_config.json", onnxFile(dtype)];
  return files.map((file) => join(folder, file)).find((file) => !existsSync(file));
}

function configuredLibrary(settings: TransformersSettings, mayDownload: boolean): Library {
  const { model, cacheFolder, host, caFile, proxy } = settings;
  const library = createRequire(import.meta.url)("@huggingface/transformers") as Library;
  const { env } = library;
  env.logLevel = library.LogLevel.ERROR;
  env.allowLocalModels = !mayDownload;
  env.allowRemoteModels = mayDownload;
  env.useFSCache = mayDownload;
  env.cacheDir = cacheFolder;
  env.remoteHost = host;
  let isNoticed = false;
  env.fetch = async (...request) => {
    if (!mayDownload) throw new Error("nothing is downloaded");
    if (!isNoticed)
      notify(`Downloading the model ${model} from ${host} to ${cacheFolder}, where it is kept.`);
    isNoticed = true;
    return await fetch(...request);
  };
  // Of this thread alone. Node's own fetch would use no proxy.
  const connect = caFile === undefined ? {} : { ca: authorities(caFile) };
  setGlobalDispatcher(
    new EnvHttpProxyAgent({
      connect,
      requestTls: connect,
      proxyTls: connect,
      httpProxy: proxy?.http ?? "",
      httpsProxy: proxy?.https ?? "",
      noProxy: [proxy?.except ?? "", "localhost", "127.0.0.1", "[::1]"].join(","),
    }),
  );
  return library;
}

function notLoaded(error: unknown, settings: TransformersSettings): ProviderError {
  if (error instanceof ProviderError) return error;
  const { model, host, modelPath, download, dtype, cacheFolder } = settings;
  const reason = error instanceof Error ? error.message : "unknown";
  const cause = error instanceof Error ? error.cause : undefined;
  if (error instanceof TypeError && reason === "fetch failed") {
    const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? "no answer";
    return new ProviderError(
      "unavailable",
      `The model ${model} cannot be downloaded from ${host} (${code}). Without a network, name a folder with its files in EMBED_TRANSFORMERS_MODEL_PATH.`,
    );
  }
  const remedy =
    modelPath !== undefined
      ? "EMBED_TRANSFORMERS_MODEL_PATH names a folder with config.json, tokenizer.json, tokenizer_config.json and onnx/, and EMBED_TRANSFORMERS_DTYPE the file in onnx/."
      : download
        ? `Check EMBED_TRANSFORMERS_MODEL, EMBED_TRANSFORMERS_REVISION and EMBED_TRANSFORMERS_DTYPE (${dtype}), and that ${cacheFolder} can be written. If a file in it is broken, delete it.`
        : "Nothing is downloaded (EMBED_TRANSFORMERS_DOWNLOAD=false).";
  return new ProviderError("setup", `The model ${model} cannot be loaded: ${sentence(reason)} ${remedy}`);
}

function sentence(text: string): string {
  return text.trim().replace(/\.?$/, ".");
}
