import { local } from "./local.ts";
import { ollama } from "./ollama.ts";
import { llmApi } from "./openai-compatible.ts";

/** Every backend, in the order in which messages name them; the first is the default of `EMBEDDING_BACKEND`. */
export const BACKENDS = [local, llmApi, ollama] as const;
