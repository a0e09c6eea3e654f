import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";
import { SetupError } from "../../errors.ts";
import { isInstalled } from "../../optional-packages.ts";
import { httpUrl, oneOf, text, whole, yesNo } from "../../setting-types.ts";
import { defineBackend } from "../backend-definition.ts";
import type { Backend, RawAnswer } from "../backend.ts";
import { ModelThread } from "../model-thread.ts";
import { ProviderError } from "../provider-error.ts";
import type { ProviderLimits } from "../provider.ts";
import { forBoth, type Fields, type PerRole, type Role } from "../roles/role.ts";
import { folderIdentity } from "./transformers-identity.ts";
import { DTYPES, poolingOf, POOLINGS, type TransformersSettings } from "./transformers-settings.ts";

/** Texts are computed one by one; the fewer of them share an answer, the sooner it is written. */
const LIMITS: ProviderLimits = { inputs: 32, characters: 300_000, textCharacters: 100_000 };
const NOT_INSTALLED =
  "@huggingface/transformers is not installed, which EMBEDDING_BACKEND=transformers needs. " +
  "Run, where pg-autoembed is installed: npm install @huggingface/transformers";
/** A name of a repository. Any other would be read as a path, or as an address. */
const REPOSITORY = /^[\w-][\w.-]*(?:\/[\w-][\w.-]*)?$/;
const MOST_TOKENS = 131_072;

/** The thread is started by the first text, and the model loaded then. */
class Transformers implements Backend {
  readonly name = "transformers";
  readonly model: string;
  readonly limits: ProviderLimits;
  readonly shape: PerRole<Fields>;
  readonly #thread: ModelThread;

  constructor(settings: TransformersSettings) {
    const { model, revision, dtype, pooling, maxTokens } = settings;
    this.model = model;
    this.limits = { ...LIMITS, ...settings.limits };
    this.shape = forBoth({
      revision,
      dtype,
      pooling,
      // A vector that the model itself makes goes before that: not so in earlier versions.
      output: "sentence_embedding",
      max_tokens: maxTokens,
      folder: folderIdentity(settings),
    });
    this.#thread = new ModelThread({
      module: "transformers-worker",
      importer: import.meta.url,
      workerData: settings,
      who: `The model ${model}`,
    });
  }

  /** It is told no role: a prefix is all that its models know of it. */
  async ask(texts: readonly string[], _role: Role, signal: AbortSignal): Promise<RawAnswer> {
    if (!isInstalled("@huggingface/transformers")) throw new ProviderError("setup", NOT_INSTALLED);
    const floats = await this.#thread.run(texts, signal);
    const length = floats.length / texts.length;
    const vectors = texts.map((_, i) => floats.subarray(i * length, (i + 1) * length));
    return { vectors, tokens: 0 };
  }

  async close(): Promise<void> {
    await this.#thread.close();
  }
}

function repository(model: string): string {
  if (REPOSITORY.test(model)) return model;
  throw new SetupError(
    `${JSON.stringify(model)} is no name of a model of Hugging Face's.`,
    "Name it as its page does, such as Xenova/bge-small-en-v1.5. A folder with its files is named by EMBED_TRANSFORMERS_MODEL_PATH.",
  );
}

function cacheFolder(given: string | undefined): string {
  return resolve(given ?? join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "pg-autoembed"));
}

export const transformers = defineBackend({
  id: "transformers",
  environment: {
    EMBED_TRANSFORMERS_MODEL: text.default("Xenova/bge-small-en-v1.5"),
    EMBED_TRANSFORMERS_REVISION: text.default("main"),
    EMBED_TRANSFORMERS_DTYPE: oneOf(DTYPES).default("q8"),
    EMBED_TRANSFORMERS_POOLING: oneOf(POOLINGS).optional(),
    EMBED_TRANSFORMERS_MAX_TOKENS: whole(8, MOST_TOKENS).optional(),
    EMBED_TRANSFORMERS_MODEL_PATH: text.optional(),
    EMBED_TRANSFORMERS_CACHE_DIR: text.optional(),
    EMBED_TRANSFORMERS_DOWNLOAD: yesNo.default(true),
    EMBED_TRANSFORMERS_HOST: httpUrl.default("https://huggingface.co"),
  },
  secrets: [],
  // A role that may write sources must not choose where files are written, or who is asked for them.
  ofSource: {
    revision: z.string().optional(),
    dtype: z.enum(DTYPES).optional(),
    pooling: z.enum(POOLINGS).optional(),
    max_tokens: z.int().min(8).max(MOST_TOKENS).optional(),
    model_path: z.string().optional(),
    download: z.boolean().optional(),
  },
  resolve: ({ environment, source, model: own, common, network }): TransformersSettings => {
    const model = repository(own ?? environment.EMBED_TRANSFORMERS_MODEL);
    // The environment's folder and pooling are those of the environment's model.
    const isOurs = model === environment.EMBED_TRANSFORMERS_MODEL;
    const modelPath = source.model_path ?? (isOurs ? environment.EMBED_TRANSFORMERS_MODEL_PATH : undefined);
    const pooling = source.pooling ?? (isOurs ? environment.EMBED_TRANSFORMERS_POOLING : undefined);
    return {
      ...common,
      ...network,
      backend: "transformers",
      model,
      revision: source.revision ?? (isOurs ? environment.EMBED_TRANSFORMERS_REVISION : "main"),
      dtype: source.dtype ?? environment.EMBED_TRANSFORMERS_DTYPE,
      pooling: pooling ?? poolingOf(model),
      maxTokens: source.max_tokens ?? environment.EMBED_TRANSFORMERS_MAX_TOKENS,
      modelPath: modelPath === undefined ? undefined : resolve(modelPath),
      cacheFolder: cacheFolder(environment.EMBED_TRANSFORMERS_CACHE_DIR),
      download: source.download ?? environment.EMBED_TRANSFORMERS_DOWNLOAD,
      host: environment.EMBED_TRANSFORMERS_HOST,
    };
  },
  open: (settings) => new Transformers(settings),
});
