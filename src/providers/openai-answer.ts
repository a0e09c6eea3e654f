import type { RawAnswer, RawVector } from "./backend.ts";
import { classifyAnswer, complaintOf, type ErrorContext } from "./classify.ts";
import type { JsonAnswer } from "./http.ts";
import { ProviderError } from "./provider-error.ts";

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
    const inner = (body?.error as { code?: unknown } | null | undefined)?.code;
    const status = typeof inner === "number" && inner >= 400 && inner < 600 ? inner : 200;
    throw classifyAnswer(status, answer.headers, complaintOf(body), texts, context);
  }
  return {
    vectors: inOrder(body.data as readonly (Item | null)[], texts.length, context),
    tokens: tokensOf(body.usage),
  };
}

/** Puts the vectors where their `index` says: servers that embed in parallel do not keep the order. */
function inOrder(items: readonly (Item | null)[], count: number, context: ErrorContext): RawVector[] {
  const vectors: RawVector[] = [];
  let placed = 0;
  for (const item of items) {
    const index = item?.index;
    if (typeof index !== "number" || !Number.isInteger(index) || index < 0 || index >= count) {
      throw unavailable(context, `a vector whose index is ${describe(index)} among ${count} texts`);
    }
    if (vectors[index] !== undefined) throw unavailable(context, `two vectors with the index ${index}`);
    const vector = item?.embedding;
    if (typeof vector !== "string" && !Array.isArray(vector)) {
      throw unavailable(context, `no vector at index ${index}`);
    }
    vectors[index] = vector;
    placed++;
  }
  if (placed !== count) throw unavailable(context, `${placed} vectors for ${count} texts`);
  return vectors;
}

function unavailable(context: ErrorContext, what: string): ProviderError {
  return new ProviderError(
    "unavailable",
    `${context.address} gave ${what}. Nothing of it was stored; it is tried again later.`,
  );
}

function describe(index: unknown): string {
  return typeof index === "number" ? String(index) : "missing";
}

function tokensOf(usage: unknown): number {
  const { total_tokens: total, prompt_tokens: prompt } = (usage ?? {}) as Record<string, unknown>;
  if (typeof total === "number") return total;
  return typeof prompt === "number" ? prompt : 0;
}
