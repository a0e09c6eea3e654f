import { onTestFinished } from "vitest";
import type { RerankBackend } from "../../src/providers/rerank/rerank-shapes.ts";
import { startSpelledProvider, type Sent, type SpelledAnswer } from "./spelled-provider.ts";

export const RERANK_KEY = "rerank-key-4242";

export interface Result {
  readonly index?: unknown;
  readonly score?: unknown;
}

interface Spelling {
  readonly path: string;
  readonly textsOf: (body: Sent["body"]) => string[];
  readonly answer: (results: readonly Result[]) => unknown;
}

const named = (results: readonly Result[]) =>
  results.map(({ score, ...rest }) => ({ ...rest, relevance_score: score }));

/** Each service's own words. */
export const SPELLINGS: Readonly<Record<RerankBackend, Spelling>> = {
  cohere: {
    path: "/v1/rerank",
    textsOf: (body) => body["documents"] as string[],
    answer: (results) => ({ id: "1", results: named(results), meta: { billed_units: { search_units: 1 } } }),
  },
  jina: {
    path: "/v1/rerank",
    textsOf: (body) => body["documents"] as string[],
    answer: (results) => ({ model: "jina", results: named(results), usage: { total_tokens: 7 } }),
  },
  voyage: {
    path: "/v1/rerank",
    textsOf: (body) => body["documents"] as string[],
    answer: (results) => ({ object: "list", data: named(results), usage: { total_tokens: 7 } }),
  },
  tei: {
    path: "/v1/rerank",
    textsOf: (body) => body["texts"] as string[],
    answer: (results) => results,
  },
};

export type Reply = (texts: readonly string[], sent: Sent) => readonly Result[] | SpelledAnswer;

/** The texts by their length, the longest first: as a service sorts its results. */
const longestFirst: Reply = (texts) =>
  texts.map((text, index) => ({ index, score: text.length / 100 })).toSorted((a, b) => b.score - a.score);

/** A stand-in for a reranker, and the settings that lead to it; closed when the test ends. */
export async function startReranker(backend: RerankBackend = "cohere", reply: Reply = longestFirst) {
  const { textsOf, answer } = SPELLINGS[backend];
  const server = await startSpelledProvider((sent) => {
    const replied = reply(textsOf(sent.body), sent);
    return "body" in replied ? replied : { body: answer(replied) };
  });
  onTestFinished(() => server.close());
  const environment = {
    RERANK_BACKEND: backend,
    RERANK_BASE_URL: server.url,
    RERANK_API_KEY: RERANK_KEY,
  };
  return { ...server, environment };
}
