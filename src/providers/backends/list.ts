import { cohere } from "./cohere.ts";
import { gemini } from "./gemini.ts";
import { local } from "./local.ts";
import { ollama } from "./ollama.ts";
import { llmApi } from "./openai-compatible.ts";
import { voyage } from "./voyage.ts";

/** Every backend, in the order in which messages name them; the first is the default of `EMBEDDING_BACKEND`. */
export const BACKENDS = [local, llmApi, ollama, voyage, cohere, gemini] as const;
