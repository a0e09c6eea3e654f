import { httpUrl, text } from "../../setting-types.ts";
import { defineBackend } from "../backend-definition.ts";
import { voyageDialect } from "../batch/dialects.ts";
import { OpenAiBatches } from "../batch/openai-batches.ts";
import { bearer, HostedBackend, type HostedSettings } from "../hosted-backend.ts";
import { readOpenAiAnswer } from "../openai-answer.ts";
import { hostedSettings } from "../hosted-settings.ts";
import { ownServer } from "../own-key.ts";
import type { ProviderLimits } from "../provider.ts";

/** Voyage's `POST /v1/embeddings`; keys of MongoDB Atlas have `https://ai.mongodb.com/v1` as their base URL. */
export interface VoyageSettings extends HostedSettings {
  readonly backend: "voyage";
}

/** 1,000 texts per request, and 120,000 tokens with the models that take the fewest: counted as characters, to be safe. */
const LIMITS: ProviderLimits = { inputs: 1000, characters: 120_000, textCharacters: 100_000 };
const SHORTER = /^voyage-(3-large|3\.[5-9]|[4-9]|code-3)/;
const ROLES = { document: { input_type: "document" }, query: { input_type: "query" } };

export const voyage = defineBackend({
  id: "voyage",
  environment: {
    VOYAGE_BASE_URL: httpUrl.default("https://api.voyageai.com/v1"),
    VOYAGE_API_KEY: text.optional(),
    VOYAGE_API_KEY_FILE: text.optional(),
    VOYAGE_QUERY_API_KEY: text.optional(),
    VOYAGE_QUERY_API_KEY_FILE: text.optional(),
    VOYAGE_EMBED_MODEL: text.default("voyage-3.5"),
  },
  secrets: ["VOYAGE_API_KEY", "VOYAGE_QUERY_API_KEY"],
  ofSource: ownServer,
  resolve: (given): VoyageSettings => ({
    backend: "voyage",
    ...hostedSettings(given, {
      baseUrl: given.environment.VOYAGE_BASE_URL,
      model: given.environment.VOYAGE_EMBED_MODEL,
      key: { name: "VOYAGE_API_KEY", value: given.environment.VOYAGE_API_KEY },
    }),
  }),
  open: (settings) => {
    const { model, dimensions } = settings;
    const body = {
      model,
      // Older models have one length.
      ...(dimensions !== undefined && SHORTER.test(model) ? { output_dimension: dimensions } : {}),
      // It would cut long texts in silence.
      truncation: false,
    };
    const dialect = voyageDialect({ ...body, ...ROLES.document });
    return new HostedBackend(settings, {
      name: "voyage",
      path: "/embeddings",
      authorization: bearer,
      host: /^(api\.voyageai|ai\.mongodb)\.com$/,
      limits: LIMITS,
      settings: { address: "VOYAGE_BASE_URL", model: "VOYAGE_EMBED_MODEL" },
      roleFields: ROLES,
      body: (texts, role) => ({ ...body, input: texts, ...ROLES[role] }),
      batches: {
        offer: dialect,
        open: (headers, context, root) => new OpenAiBatches(settings, headers, context, root, dialect),
      },
      read: readOpenAiAnswer,
    });
  },
});
