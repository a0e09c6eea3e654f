import { SetupError } from "../../errors.ts";
import { httpUrl, text } from "../../setting-types.ts";
import { defineBackend } from "../backend-definition.ts";
import { bearer, HostedBackend, type Dialect, type HostedSettings } from "../hosted-backend.ts";
import { hostedSettings } from "../hosted-settings.ts";
import { ownServer, tokenOf } from "../own-key.ts";
import { at, readVectors } from "../read-vectors.ts";
import type { Fields } from "../roles/role.ts";
import { tokenCount } from "../token-count.ts";

/** Google's Vertex AI, whose tokens are valid for an hour. */
export interface VertexSettings extends HostedSettings {
  readonly backend: "vertex";
  readonly project: string;
  readonly region: string;
}

type Call = Pick<Dialect, "roleFields" | "limits" | "body" | "read"> & { readonly method: string };

/** A request has 20,000 tokens, counted as characters to be safe, and a text of more than 2,048 tokens is refused. */
const SIZE = { characters: 20_000, textCharacters: 100_000 };
const ROLES = { document: { task_type: "RETRIEVAL_DOCUMENT" }, query: { task_type: "RETRIEVAL_QUERY" } };

/** `:predict`: 250 texts per request, and one with `gemini-embedding-001`. */
function predict(model: string, length: Fields): Call {
  return {
    method: "predict",
    limits: { ...SIZE, inputs: model.startsWith("gemini-") ? 1 : 250 },
    roleFields: ROLES,
    body: (texts, role) => ({
      instances: texts.map((content) => ({ content, ...ROLES[role] })),
      // It would cut long texts in silence.
      parameters: { ...length, autoTruncate: false },
    }),
    read: (answer, texts, context) => {
      const predictions = at(answer.body, "predictions");
      const items: readonly unknown[] = Array.isArray(predictions) ? predictions : [];
      const vectors = items.map((item) => at(item, "embeddings", "values"));
      const counts = items.map((item) => tokenCount(at(item, "embeddings", "statistics", "token_count")));
      const tokens = counts.reduce<number | undefined>(
        (sum, count) => (sum === undefined || count === undefined ? undefined : sum + count),
        0,
      );
      return readVectors(answer, items.length === 0 ? undefined : vectors, tokens, texts, context);
    },
  };
}

/** `:embedContent` of `gemini-embedding-2`: one text per request, its role told by a prefix (`model-families.ts`). */
function embedContent(length: Fields): Call {
  return {
    method: "embedContent",
    limits: { ...SIZE, inputs: 1 },
    body: ([content = ""]) => ({ content: { parts: [{ text: content }] }, ...length, autoTruncate: false }),
    read: (answer, texts, context) => {
      const tokens = tokenCount(at(answer.body, "usageMetadata", "promptTokenCount"));
      return readVectors(answer, [at(answer.body, "embedding", "values")], tokens, texts, context);
    },
  };
}

export const vertex = defineBackend({
  id: "vertex",
  environment: {
    VERTEX_PROJECT: text.regex(/^[\w.:-]+$/, "expected the id of a project").optional(),
    VERTEX_REGION: text.regex(/^[a-z0-9-]+$/, "expected a region such as us-central1").default("us-central1"),
    VERTEX_BASE_URL: httpUrl.optional(),
    VERTEX_ACCESS_TOKEN: text.optional(),
    VERTEX_ACCESS_TOKEN_FILE: text.optional(),
    VERTEX_ACCESS_TOKEN_COMMAND: text.optional(),
    VERTEX_EMBED_MODEL: text.default("gemini-embedding-001"),
  },
  secrets: ["VERTEX_ACCESS_TOKEN"],
  ofSource: ownServer,
  resolve: (given): VertexSettings => {
    const { environment } = given;
    const { VERTEX_PROJECT: project, VERTEX_REGION: region } = environment;
    if (project === undefined) {
      throw new SetupError("VERTEX_PROJECT is not set.", "Set it to the id of your Google Cloud project.");
    }
    const host = region === "global" ? "aiplatform" : `${region}-aiplatform`;
    const baseUrl = environment.VERTEX_BASE_URL ?? `https://${host}.googleapis.com/v1`;
    return {
      backend: "vertex",
      project,
      region,
      ...hostedSettings(given, {
        baseUrl,
        model: environment.VERTEX_EMBED_MODEL,
        key: { name: "VERTEX_ACCESS_TOKEN", value: environment.VERTEX_ACCESS_TOKEN },
      }),
      ...tokenOf(given.source, baseUrl, [
        { name: "VERTEX_ACCESS_TOKEN_COMMAND", command: environment.VERTEX_ACCESS_TOKEN_COMMAND },
        { name: "VERTEX_ACCESS_TOKEN_FILE", file: environment.VERTEX_ACCESS_TOKEN_FILE },
      ]),
    };
  },
  open: (settings) => {
    const { model, dimensions, project, region } = settings;
    const length = dimensions === undefined ? {} : { outputDimensionality: dimensions };
    const { method, ...call } = /^gemini-embedding-[2-9]/.test(model)
      ? embedContent(length)
      : predict(model, length);
    return new HostedBackend(settings, {
      name: "vertex",
      path: `/projects/${project}/locations/${region}/publishers/google/models/${encodeURIComponent(model)}:${method}`,
      authorization: bearer,
      host: /(^|-)aiplatform\.googleapis\.com$/,
      settings: { address: "VERTEX_BASE_URL", model: "VERTEX_EMBED_MODEL" },
      ...call,
    });
  },
});
