import { NOT_STORED } from "./what-follows.ts";
import type { RawAnswer } from "./backend.ts";
import type { RawVector } from "./raw-vector.ts";
import { classifyAnswer, type ErrorContext } from "./classify.ts";
import { complaintOf } from "./complaint.ts";
import type { JsonAnswer } from "./http.ts";
import { ProviderError } from "./provider-error.ts";
import { tokenCount } from "./token-count.ts";
import { wrongCount } from "./wrong-count.ts";

interface Item {
  readonly index?: unknown;
  readonly embedding?: unknown;
}

/**
 * Reads an answer of the shape that OpenAI defined, `{data: [{index, embedding}], usage}`, which other providers use
 * for their own requests too.
 */
export function readOpenAiAnswer(
  answer: JsonAnswer,
  texts: readonly string[],
  context: ErrorContext,
): RawAnswer {
  const body = answer.body as { data?: unknown; error?: unknown; usage?: unknown } | null;
  if (!Array.isArray(body?.data)) {
    // Some gateways answer 200 and put the real status into the body.
    const complaint = complaintOf(body);
    throw classifyAnswer(complaint.status ?? 200, answer.headers, complaint, texts, context);
  }
  return {
    vectors: inOrder(body.data as readonly (Item | null)[], texts.length, context),
    tokens: tokensOf(body.usage),
  };
}

/**
 * Puts the vectors where their `index` says: servers that embed in parallel do not keep the order. An index of 0 may be left
 * out, as protobuf's JSON does; where none has an index, they are in the order of the texts.
 */
export function inOrder(items: readonly (Item | null)[], count: number, context: ErrorContext): RawVector[] {
  const isIndexed = items.some((item) => isGiven(item?.index));
  const vectors: RawVector[] = [];
  let placed = 0;
  for (const [position, item] of items.entries()) {
    const index = isGiven(item?.index) ? numberOf(item?.index) : isIndexed ? 0 : position;
    if (index === undefined || index < 0 || index >= count) {
      const named = index === undefined ? "no number" : String(index);
      throw unavailable(context, `a vector whose index is ${named} among ${count} texts`);
    }
    if (vectors[index] !== undefined) throw unavailable(context, `two vectors with the index ${index}`);
    const vector = item?.embedding;
    if (typeof vector !== "string" && !Array.isArray(vector)) {
      throw unavailable(context, `no vector at index ${index}`);
    }
    vectors[index] = vector;
    placed++;
  }
  if (placed !== count) throw wrongCount(context.address, placed, count);
  return vectors;
}

function unavailable(context: ErrorContext, what: string): ProviderError {
  return new ProviderError("unavailable", `${context.address} gave ${what}. ${NOT_STORED}`, { status: 200 });
}

function isGiven(index: unknown): boolean {
  return index !== undefined && index !== null && index !== "";
}

/** A whole number, also as a string. */
function numberOf(index: unknown): number | undefined {
  const number = typeof index === "string" && /^\d{1,9}$/.test(index) ? Number(index) : index;
  return typeof number === "number" && Number.isInteger(number) ? number : undefined;
}

function tokensOf(usage: unknown): number | undefined {
  const { total_tokens: total, prompt_tokens: prompt } = (usage ?? {}) as Record<string, unknown>;
  return tokenCount(total) ?? tokenCount(prompt);
}
