import { SetupError } from "../../errors.ts";
import { httpUrl, text } from "../../setting-types.ts";
import { defineBackend } from "../backend-definition.ts";
import { bearer, HostedBackend, type Dialect, type HostedSettings } from "../hosted-backend.ts";
import { hostedSettings } from "../hosted-settings.ts";
import { ownServer, tokenOf } from "../own-key.ts";
import { at, readVectors } from "../read-vectors.ts";
import { tokenCount } from "../token-count.ts";

/** Amazon Bedrock by its API key: Titan's models and Cohere's. */
export interface BedrockSettings extends HostedSettings {
  readonly backend: "bedrock";
}

type Family = Pick<Dialect, "roleFields" | "limits" | "body" | "read">;

const ROLES = { document: { input_type: "search_document" }, query: { input_type: "search_query" } };

/** One text per request, of 8,192 tokens or 50,000 characters at most. It never cuts. */
function titan(model: string, dimensions: number | undefined): Family {
  // Version 1 has one length.
  const length = dimensions === undefined || !model.includes("embed-text-v2") ? {} : { dimensions };
  return {
    limits: { inputs: 1, characters: 300_000, textCharacters: 50_000 },
    body: ([inputText = ""]) => ({ inputText, ...length }),
    read: (answer, texts, context) => {
      const tokens = tokenCount(at(answer.body, "inputTextTokenCount"));
      return readVectors(answer, [at(answer.body, "embedding")], tokens, texts, context);
    },
  };
}

/** 96 texts per request; before version 4, of 2,048 characters each. */
function cohere(model: string, dimensions: number | undefined): Family {
  const isV4 = /embed-v[4-9]/.test(model);
  return {
    limits: { inputs: 96, characters: 300_000, textCharacters: isV4 ? 100_000 : 2_048 },
    roleFields: ROLES,
    body: (texts, role) => ({
      texts,
      ...ROLES[role],
      ...(isV4 ? { embedding_types: ["float"] } : {}),
      ...(isV4 && dimensions !== undefined ? { output_dimension: dimensions } : {}),
      // It would cut long texts in silence.
      truncate: "NONE",
    }),
    read: (answer, texts, context) => {
      const embeddings = at(answer.body, "embeddings");
      const tokens = tokenCount(Number(answer.headers["x-amzn-bedrock-input-token-count"]));
      return readVectors(answer, at(embeddings, "float") ?? embeddings, tokens, texts, context);
    },
  };
}

/** A model's id may begin with a region, as `us.cohere.embed-v4:0`. */
function familyOf(model: string, dimensions: number | undefined): Family {
  if (/(^|[./])amazon\.titan-embed-text/.test(model)) return titan(model, dimensions);
  if (/(^|[./])cohere\.embed-/.test(model)) return cohere(model, dimensions);
  throw new SetupError(
    `The backend bedrock does not know how to ask the model ${JSON.stringify(model)}.`,
    "It knows amazon.titan-embed-text-… and cohere.embed-…; for another, describe its request in a template (EMBEDDING_BACKEND=rest).",
  );
}

export const bedrock = defineBackend({
  id: "bedrock",
  environment: {
    BEDROCK_REGION: text.regex(/^[a-z0-9-]+$/, "expected a region such as us-east-1").default("us-east-1"),
    BEDROCK_BASE_URL: httpUrl.optional(),
    AWS_BEARER_TOKEN_BEDROCK: text.optional(),
    AWS_BEARER_TOKEN_BEDROCK_FILE: text.optional(),
    BEDROCK_EMBED_MODEL: text.default("amazon.titan-embed-text-v2:0"),
  },
  secrets: ["AWS_BEARER_TOKEN_BEDROCK"],
  ofSource: ownServer,
  resolve: (given): BedrockSettings => {
    const { environment } = given;
    const baseUrl =
      environment.BEDROCK_BASE_URL ?? `https://bedrock-runtime.${environment.BEDROCK_REGION}.amazonaws.com`;
    return {
      backend: "bedrock",
      ...hostedSettings(given, {
        baseUrl,
        model: environment.BEDROCK_EMBED_MODEL,
        key: { name: "AWS_BEARER_TOKEN_BEDROCK", value: environment.AWS_BEARER_TOKEN_BEDROCK },
      }),
      // Its short keys are valid for twelve hours.
      ...tokenOf(given.source, baseUrl, [
        { name: "AWS_BEARER_TOKEN_BEDROCK_FILE", file: environment.AWS_BEARER_TOKEN_BEDROCK_FILE },
      ]),
    };
  },
  open: (settings) => {
    const { model, dimensions } = settings;
    return new HostedBackend(settings, {
      name: "bedrock",
      path: `/model/${encodeURIComponent(model)}/invoke`,
      authorization: bearer,
      host: /^bedrock-runtime\..*\.amazonaws\.com$/,
      settings: { address: "BEDROCK_BASE_URL", model: "BEDROCK_EMBED_MODEL" },
      ...familyOf(model, dimensions),
    });
  },
});
