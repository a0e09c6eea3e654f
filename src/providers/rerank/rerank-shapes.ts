import type { Fields } from "../roles/role.ts";

/** What is asked: which of the texts answer the question best. */
interface Asked {
  readonly model: string | undefined;
  readonly question: string;
  readonly texts: readonly string[];
}

/** What is particular to one kind of rerank request, `POST …/rerank`, and its answer. */
interface RerankShape {
  /** Undefined if it is always a server of your own. */
  readonly baseUrl: string | undefined;
  readonly model: string | undefined;
  /** Its own hosts, which answer nothing without a key. */
  readonly host: RegExp;
  /** The most texts per request. */
  readonly texts: number;
  readonly body: (asked: Asked) => Fields;
  /** The field with the list of results; undefined if the answer is that list. */
  readonly results: string | undefined;
  /** Where the answer says how many tokens it charges; undefined where it does not. */
  readonly tokens: readonly string[] | undefined;
  /** The field of a result with its score; `index` is the text's place. */
  readonly score: string;
}

/** By what `RERANK_BACKEND` calls them. Many servers of your own speak Cohere's or Jina's. */
export const RERANK_SHAPES = {
  cohere: {
    baseUrl: "https://api.cohere.com/v2",
    model: "rerank-v3.5",
    host: /^api\.cohere\.com$/,
    texts: 1_000,
    body: ({ model, question, texts }) => ({ model, query: question, documents: texts }),
    results: "results",
    tokens: undefined,
    score: "relevance_score",
  },
  jina: {
    baseUrl: "https://api.jina.ai/v1",
    model: "jina-reranker-v2-base-multilingual",
    host: /^api\.jina\.ai$/,
    texts: 1_000,
    body: ({ model, question, texts }) => ({
      model,
      query: question,
      documents: texts,
      return_documents: false,
    }),
    results: "results",
    tokens: ["usage", "total_tokens"],
    score: "relevance_score",
  },
  voyage: {
    baseUrl: "https://api.voyageai.com/v1",
    model: "rerank-2.5",
    host: /^(api\.voyageai|ai\.mongodb)\.com$/,
    texts: 1_000,
    body: ({ model, question, texts }) => ({
      model,
      query: question,
      documents: texts,
      return_documents: false,
      truncation: true,
    }),
    results: "data",
    tokens: ["usage", "total_tokens"],
    score: "relevance_score",
  },
  // It serves one model, and by default at most 32 texts per request. Its scores are of each text alone.
  tei: {
    baseUrl: undefined,
    model: undefined,
    host: /^$/,
    texts: 32,
    body: ({ question, texts }) => ({
      query: question,
      texts,
      truncate: true,
      raw_scores: false,
      return_text: false,
    }),
    results: undefined,
    tokens: undefined,
    score: "score",
  },
} as const satisfies Readonly<Record<string, RerankShape>>;

export type RerankBackend = keyof typeof RERANK_SHAPES;

export function shapeOf(backend: RerankBackend): RerankShape {
  return RERANK_SHAPES[backend];
}
