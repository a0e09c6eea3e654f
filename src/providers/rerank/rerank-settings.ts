import { decimal, httpUrl, oneOf, text, whole } from "../../setting-types.ts";
import { networkSettings } from "../network-settings.ts";
import type { HttpSettings } from "../provider-settings.ts";
import { RERANK_SHAPES, shapeOf, type RerankBackend } from "./rerank-shapes.ts";

/** The settings of the environment about the reranker. Times are in milliseconds. */
export const RERANK_ENVIRONMENT = {
  RERANK_BACKEND: oneOf(Object.keys(RERANK_SHAPES) as RerankBackend[]).optional(),
  RERANK_BASE_URL: httpUrl.optional(),
  RERANK_API_KEY: text.optional(),
  RERANK_API_KEY_FILE: text.optional(),
  RERANK_MODEL: text.optional(),
  RERANK_TIMEOUT: whole(100, 30_000).default(5_000),
  RERANK_MAX_TEXT_CHARACTERS: whole(100, 100_000).default(8_000),
  RERANK_PRICE_PER_MILLION_TOKENS: decimal.optional(),
  RERANK_PRICE_PER_REQUEST: decimal.optional(),
};

/** Those of them whose values are never repeated. */
export const RERANK_SECRETS: readonly string[] = ["RERANK_API_KEY"];

/** What the reranker reads of the configuration. */
export interface RerankConfig {
  readonly RERANK_BACKEND?: RerankBackend | undefined;
  readonly RERANK_BASE_URL?: string | undefined;
  readonly RERANK_API_KEY?: string | undefined;
  readonly RERANK_MODEL?: string | undefined;
  readonly RERANK_TIMEOUT: number;
  readonly RERANK_MAX_TEXT_CHARACTERS: number;
  readonly RERANK_PRICE_PER_MILLION_TOKENS?: number | undefined;
  readonly RERANK_PRICE_PER_REQUEST?: number | undefined;
  readonly EMBED_CA_FILE?: string | undefined;
}

export interface RerankSettings extends HttpSettings {
  readonly backend: RerankBackend;
  readonly apiKey: string;
  readonly model: string | undefined;
  /** One ranking, from connecting to the last byte of its last answer. */
  readonly timeoutMs: number;
  /** Characters of the question, and of each text, that are sent. */
  readonly textCharacters: number;
}

/** What is wrong with the settings together; undefined if nothing is. */
export function rerankProblem({ RERANK_BACKEND, RERANK_BASE_URL }: RerankConfig): string | undefined {
  if (RERANK_BACKEND === undefined || (RERANK_BASE_URL ?? shapeOf(RERANK_BACKEND).baseUrl) !== undefined)
    return undefined;
  return `RERANK_BASE_URL: must be set for RERANK_BACKEND=${RERANK_BACKEND}, such as http://127.0.0.1:8080`;
}

/** Undefined if no reranker is configured. */
export function rerankSettings(config: RerankConfig): RerankSettings | undefined {
  const { RERANK_BACKEND: backend } = config;
  if (backend === undefined) return undefined;
  const shape = shapeOf(backend);
  const baseUrl = config.RERANK_BASE_URL ?? shape.baseUrl;
  if (baseUrl === undefined) return undefined;
  return {
    ...networkSettings(config),
    backend,
    baseUrl,
    apiKey: config.RERANK_API_KEY ?? "",
    model: config.RERANK_MODEL ?? shape.model,
    timeoutMs: config.RERANK_TIMEOUT,
    textCharacters: config.RERANK_MAX_TEXT_CHARACTERS,
  };
}
