import { RerankError, type RerankFailure } from "../providers/rerank/rerank-error.ts";
import type { Reranker } from "../providers/rerank/reranker.ts";
import { invocation } from "../invocation.ts";
import type { Ranked } from "./fuse.ts";
import type { Hit, SearchResult } from "./search-options.ts";

/** Ranked rows, and what their score says. */
export interface Order {
  readonly ranked: readonly Ranked[];
  readonly rankedBy: SearchResult["rankedBy"];
  readonly notices: readonly string[];
}

/**
 * The rows in the order of the reranker's scores, equal ones in their first order. Where it fails, the first order stands,
 * and a notice says why. A row whose text cannot be read comes after those that were judged.
 * @param candidates the ranked rows with their texts
 * @throws the signal's reason
 */
export async function rerank(
  reranker: Pick<Reranker, "scores">,
  question: string,
  candidates: readonly Hit<unknown>[],
  first: Order,
  signal: AbortSignal | undefined,
): Promise<Order> {
  const judged = candidates.flatMap(({ key, text }) => (text === null ? [] : [{ key, text }]));
  if (judged.length === 0) return first;
  try {
    const scores = await reranker.scores(
      question,
      judged.map(({ text }) => text),
      signal,
    );
    const ranked = judged
      .map(({ key }, i) => ({ key, score: scores[i] ?? 0 }))
      .sort((a, b) => b.score - a.score);
    const least = Math.min(0, ...scores);
    const unread = candidates.flatMap(({ key, text }) => (text === null ? [{ key, score: least }] : []));
    return { ranked: [...ranked, ...unread], rankedBy: "reranker", notices: first.notices };
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof RerankError)) throw error;
    return { ...first, notices: [...first.notices, `The rows were not reranked: ${WHY[error.failure]}.`] };
  }
}

/** For the person who searches: without the reranker's words. */
const WHY: Readonly<Record<RerankFailure, string>> = {
  late: "the reranker did not answer in time",
  throttled: "the reranker takes no more requests just now",
  unavailable: "the reranker could not be reached",
  refused: "the reranker refused this question or these texts",
  setup: `the reranker cannot be used as it is set up (${invocation("doctor")} says why)`,
  malformed: "the reranker's answer could not be used",
  resting: "the reranker failed several times in a row and is left out for a while",
};
