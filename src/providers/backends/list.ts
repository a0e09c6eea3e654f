import { bedrock } from "./bedrock.ts";
import { cohere } from "./cohere.ts";
import { gemini } from "./gemini.ts";
import { local } from "./local.ts";
import { ollama } from "./ollama.ts";
import { llmApi } from "./openai-compatible.ts";
import { rest } from "./rest.ts";
import { transformers } from "./transformers.ts";
import { vertex } from "./vertex.ts";
import { voyage } from "./voyage.ts";

/** Every backend, in the order in which messages name them; the first is the default of `EMBEDDING_BACKEND`. */
export const BACKENDS = [
  local,
  llmApi,
  ollama,
  voyage,
  cohere,
  gemini,
  vertex,
  bedrock,
  transformers,
  rest,
] as const;
