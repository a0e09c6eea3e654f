import type { RawAnswer } from "../backend.ts";
import { classifyAnswer, type ErrorContext } from "../classify.ts";
import { complaintOf } from "../complaint.ts";
import type { JsonAnswer } from "../http.ts";
import { inOrder } from "../openai-answer.ts";
import { ProviderError } from "../provider-error.ts";
import { tokenCount } from "../token-count.ts";
import { follow } from "./answer-path.ts";
import type { RestTemplate } from "./template.ts";

/**
 * The vectors of an answer, from where the template says they stand.
 * @param file the template's, as messages call it
 * @throws {ProviderError} where they are not there: an error in a 200, or a wrong template
 */
export function readByTemplate(
  answer: JsonAnswer,
  template: RestTemplate,
  file: string,
  texts: readonly string[],
  context: ErrorContext,
): RawAnswer {
  const missing = (path: string): ProviderError => {
    const complaint = complaintOf(answer.body);
    if (complaint.message !== "" || complaint.status !== undefined)
      return classifyAnswer(complaint.status ?? 200, answer.headers, complaint, texts, context);
    return new ProviderError(
      "setup",
      `${context.address} answered without ${path}, where ${file} says that its vectors are. Correct the path; nothing was stored.`,
      { status: 200 },
    );
  };
  const vectors = vectorsAt(template.vectors, answer.body, texts.length);
  if (vectors === undefined) throw missing(template.vectors);
  const indices = template.index === undefined ? [] : follow(template.index, answer.body);
  if (!Array.isArray(indices)) throw missing(template.index ?? "");
  const items = vectors.map((embedding, position) => ({ index: indices[position] as unknown, embedding }));
  const tokens = template.tokens === undefined ? undefined : follow(template.tokens, answer.body);
  return { vectors: inOrder(items, texts.length, context), tokens: tokenCount(tokens) };
}

/** A list of vectors; for one text, the vector alone will do. */
function vectorsAt(path: string, answer: unknown, count: number): readonly unknown[] | undefined {
  const found = follow(path, answer);
  if (!Array.isArray(found)) return count === 1 && typeof found === "string" ? [found] : undefined;
  const list: readonly unknown[] = found;
  return count === 1 && typeof list[0] === "number" ? [list] : list;
}
