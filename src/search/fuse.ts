import { backendOf } from "../providers/known-backends.ts";
import type { Nearest } from "./nearest.ts";
import type { WordMatch } from "./words/rank-by-words.ts";

/** A row's place in an answer. */
export interface Ranked {
  readonly key: string;
  readonly score: number;
}

/** Candidates of each ranking, at least. */
export const CANDIDATES = 60;

/**
 * One ranking of two, whose scores have no common measure. Words are scaled by the best score; distances from 0, the farthest
 * candidate, to 1, the nearest, since all of them lie close together. A row that is no candidate of a ranking has 0 there.
 * Measured on public collections (`npm run bench -- relevance`): it beats the sum of reciprocal ranks, which forgets by how
 * much a row is better.
 * @param wordsWeight the part of the words, from 0 to 1
 */
export function fuse(
  byMeaning: readonly Nearest[],
  byWords: readonly WordMatch[],
  wordsWeight: number,
): Ranked[] {
  const distances = byMeaning.map(({ distance }) => distance);
  const [nearest, farthest] = [Math.min(...distances), Math.max(...distances)];
  const best = Math.max(...byWords.map(({ score }) => score)) || 1;
  const scores = new Map(byWords.map(({ key, score }) => [key, (wordsWeight * score) / best]));
  for (const { key, distance } of byMeaning) {
    const scaled = nearest === farthest ? 1 : (farthest - distance) / (farthest - nearest);
    scores.set(key, (scores.get(key) ?? 0) + (1 - wordsWeight) * scaled);
  }
  return [...scores]
    .map(([key, score]) => ({ key, score }))
    .sort((a, b) => b.score - a.score || (a.key < b.key ? -1 : 1));
}

/**
 * The part of the words that suits a model: a name or a code that one row has should not lose to the row that happens to be
 * nearest.
 */
export function usualWordsWeight(backend: string): number {
  return backendOf(backend).wordsWeight ?? 0.6;
}
