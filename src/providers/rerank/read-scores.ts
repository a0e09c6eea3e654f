import { RerankError } from "./rerank-error.ts";

type Entry = Readonly<Record<string, unknown>> | null;

/**
 * The score of each text, in the order of the texts. Every text must have exactly one finite score: half an answer would
 * put the rows that it left out behind all others.
 * @param who names the reranker in messages
 * @throws {RerankError} `malformed`
 */
export function readScores(results: unknown, field: string, count: number, who: string): number[] {
  const malformed = (what: string): RerankError => new RerankError("malformed", `${who} gave ${what}.`);
  if (!Array.isArray(results)) throw malformed("an answer without results");
  const scores = new Map<number, number>();
  for (const entry of results as readonly Entry[]) {
    const index = entry?.["index"];
    const score = entry?.[field];
    if (typeof index !== "number" || !Number.isInteger(index)) throw malformed("a result without an index");
    if (index < 0 || index >= count) throw malformed(`a result whose index is ${index} among ${count} texts`);
    if (scores.has(index)) throw malformed(`two results with the index ${index}`);
    if (typeof score !== "number" || !Number.isFinite(score))
      throw malformed(`no finite score at the index ${index}`);
    scores.set(index, score);
  }
  if (scores.size !== count) throw malformed(`${scores.size} results for ${count} texts`);
  return Array.from({ length: count }, (_, i) => scores.get(i) ?? 0);
}
