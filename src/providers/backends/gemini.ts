import { httpUrl, text } from "../../setting-types.ts";
import { defineBackend } from "../backend-definition.ts";
import { GEMINI_OFFER, GeminiBatches } from "../batch/gemini-batches.ts";
import { HostedBackend, type HostedSettings } from "../hosted-backend.ts";
import { hostedSettings } from "../hosted-settings.ts";
import { ownServer } from "../own-key.ts";
import type { ProviderLimits } from "../provider.ts";
import { at, readVectors } from "../read-vectors.ts";

/** Google's `:batchEmbedContents` of the Gemini API. */
export interface GeminiSettings extends HostedSettings {
  readonly backend: "gemini";
}

/** 100 texts per request; a text of more than 2,048 tokens (8,192 with `gemini-embedding-2`) is refused. */
const LIMITS: ProviderLimits = { inputs: 100, characters: 300_000, textCharacters: 100_000 };
const ROLES = { document: { taskType: "RETRIEVAL_DOCUMENT" }, query: { taskType: "RETRIEVAL_QUERY" } };

export const gemini = defineBackend({
  id: "gemini",
  environment: {
    GEMINI_BASE_URL: httpUrl.default("https://generativelanguage.googleapis.com/v1beta"),
    GEMINI_API_KEY: text.optional(),
    GEMINI_API_KEY_FILE: text.optional(),
    GEMINI_QUERY_API_KEY: text.optional(),
    GEMINI_QUERY_API_KEY_FILE: text.optional(),
    GEMINI_EMBED_MODEL: text.default("gemini-embedding-001"),
  },
  secrets: ["GEMINI_API_KEY", "GEMINI_QUERY_API_KEY"],
  ofSource: ownServer,
  resolve: (given): GeminiSettings => ({
    backend: "gemini",
    ...hostedSettings(given, {
      baseUrl: given.environment.GEMINI_BASE_URL,
      model: given.environment.GEMINI_EMBED_MODEL,
      key: { name: "GEMINI_API_KEY", value: given.environment.GEMINI_API_KEY },
    }),
  }),
  open: (settings) => {
    const { model, dimensions } = settings;
    // The second generation knows the role by a prefix: see `model-families.ts`.
    const roleFields = /^gemini-embedding-2/.test(model) ? undefined : ROLES;
    return new HostedBackend(settings, {
      name: "gemini",
      path: `/models/${encodeURIComponent(model)}:batchEmbedContents`,
      authorization: (key) => ({ "x-goog-api-key": key }),
      host: /^generativelanguage\.googleapis\.com$/,
      limits: LIMITS,
      settings: { address: "GEMINI_BASE_URL", model: "GEMINI_EMBED_MODEL" },
      roleFields,
      // A request for each text: several parts of one would get one vector together.
      body: (texts, role) => ({
        requests: texts.map((text) => ({
          model: `models/${model}`,
          content: { parts: [{ text }] },
          ...roleFields?.[role],
          ...(dimensions === undefined ? {} : { outputDimensionality: dimensions }),
        })),
      }),
      batches: {
        offer: GEMINI_OFFER,
        open: (headers, context, root) =>
          new GeminiBatches(settings, headers, context, root, {
            model,
            fields: {
              ...roleFields?.document,
              ...(dimensions === undefined ? {} : { output_dimensionality: dimensions }),
            },
          }),
      },
      read: (answer, texts, context) => {
        const embeddings = at(answer.body, "embeddings");
        const vectors = Array.isArray(embeddings) ? embeddings.map((item) => at(item, "values")) : undefined;
        return readVectors(answer, vectors, undefined, texts, context);
      },
    });
  },
});
