import { NOT_STORED } from "./what-follows.ts";
import type { RawAnswer } from "./backend.ts";
import type { RawVector } from "./raw-vector.ts";
import { classifyAnswer, type ErrorContext } from "./classify.ts";
import { complaintOf } from "./complaint.ts";
import type { JsonAnswer } from "./http.ts";
import { ProviderError } from "./provider-error.ts";

/** What `names` leads to in an answer; undefined where it leads nowhere. */
export function at(value: unknown, ...names: readonly string[]): unknown {
  return names.reduce<unknown>(
    (inner, name) =>
      typeof inner === "object" && inner !== null ? (inner as Record<string, unknown>)[name] : undefined,
    value,
  );
}

/**
 * The vectors of an answer that has them in the order of the texts, without an index.
 * @throws {ProviderError} where they are no list of lists: an error in a 200, or another server
 */
export function readVectors(
  answer: JsonAnswer,
  vectors: unknown,
  tokens: number | undefined,
  texts: readonly string[],
  context: ErrorContext,
): RawAnswer {
  if (Array.isArray(vectors) && vectors.some(Array.isArray)) {
    const missing = vectors.findIndex((vector) => !Array.isArray(vector));
    if (missing === -1) return { vectors: vectors as RawVector[], tokens };
    throw new ProviderError(
      "unavailable",
      `${context.address} gave no vector at index ${missing}. ${NOT_STORED}`,
      { status: 200 },
    );
  }
  const complaint = complaintOf(answer.body);
  throw classifyAnswer(complaint.status ?? 200, answer.headers, complaint, texts, context);
}
