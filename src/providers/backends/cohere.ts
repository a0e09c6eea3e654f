import { httpUrl, text } from "../../setting-types.ts";
import { defineBackend } from "../backend-definition.ts";
import { bearer, HostedBackend, type HostedSettings } from "../hosted-backend.ts";
import { hostedSettings } from "../hosted-settings.ts";
import { ownServer } from "../own-key.ts";
import type { ProviderLimits } from "../provider.ts";
import { at, readVectors } from "../read-vectors.ts";
import { tokenCount } from "../token-count.ts";

/** Cohere's `POST /v2/embed`. */
export interface CohereSettings extends HostedSettings {
  readonly backend: "cohere";
}

/** 96 texts per request; how long a text may be depends on the model, which refuses what is longer. */
const LIMITS: ProviderLimits = { inputs: 96, characters: 300_000, textCharacters: 100_000 };
const ROLES = { document: { input_type: "search_document" }, query: { input_type: "search_query" } };

export const cohere = defineBackend({
  id: "cohere",
  environment: {
    COHERE_BASE_URL: httpUrl.default("https://api.cohere.com/v2"),
    COHERE_API_KEY: text.optional(),
    COHERE_API_KEY_FILE: text.optional(),
    COHERE_QUERY_API_KEY: text.optional(),
    COHERE_QUERY_API_KEY_FILE: text.optional(),
    COHERE_EMBED_MODEL: text.default("embed-v4.0"),
  },
  secrets: ["COHERE_API_KEY", "COHERE_QUERY_API_KEY"],
  ofSource: ownServer,
  resolve: (given): CohereSettings => ({
    backend: "cohere",
    ...hostedSettings(given, {
      baseUrl: given.environment.COHERE_BASE_URL,
      model: given.environment.COHERE_EMBED_MODEL,
      key: { name: "COHERE_API_KEY", value: given.environment.COHERE_API_KEY },
    }),
  }),
  open: (settings) => {
    const { model, dimensions } = settings;
    return new HostedBackend(settings, {
      name: "cohere",
      path: "/embed",
      authorization: bearer,
      host: /^api\.cohere\.com$/,
      limits: LIMITS,
      settings: { address: "COHERE_BASE_URL", model: "COHERE_EMBED_MODEL" },
      roleFields: ROLES,
      body: (texts, role) => ({
        model,
        texts,
        ...ROLES[role],
        embedding_types: ["float"],
        // Models before v4 have one length.
        ...(dimensions !== undefined && /^embed-v[4-9]/.test(model) ? { output_dimension: dimensions } : {}),
        // It would cut long texts in silence.
        truncate: "NONE",
      }),
      read: (answer, texts, context) => {
        const tokens = tokenCount(at(answer.body, "meta", "billed_units", "input_tokens"));
        return readVectors(answer, at(answer.body, "embeddings", "float"), tokens, texts, context);
      },
    });
  },
});
