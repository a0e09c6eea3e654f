import { z } from "zod";
import { UsageError } from "../errors.ts";
import { isPlainObject } from "../search/plain-object.ts";

const MOST_ROWS = 1_000;

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const compared = z.union([scalar, z.array(scalar)]);
const WHERE = 'should be an object of columns, such as {"status": ["open", "new"], "price": {"lt": 50}}';

const reranking = z.strictObject({ candidates: z.int().optional() });
const RERANK = 'should be true, false, or an object such as {"candidates": 50}';

const BODY = z.strictObject({
  question: z.string("should be a text").optional(),
  like: z.union([z.string(), z.int()], "should be a row's key: a text or a whole number").optional(),
  source: z.string("should be a text").optional(),
  limit: z
    .int(`should be a whole number from 1 to ${MOST_ROWS}`)
    .min(1, `should be a whole number from 1 to ${MOST_ROWS}`)
    .max(MOST_ROWS, `should be a whole number from 1 to ${MOST_ROWS}`)
    .optional(),
  // Taken as it is: a copy by zod would lose a column called __proto__, and with it a condition.
  where: z.custom<object>(isFilter, WHERE).optional(),
  hybrid: z.boolean("should be true or false").optional(),
  language: z.string("should be a text").optional(),
  minScore: z.number("should be a number").optional(),
  rerank: z.custom<boolean | z.infer<typeof reranking>>(isRerank, RERANK).optional(),
  text: z.boolean("should be true or false").optional(),
  snippet: z.boolean("should be true or false").optional(),
  select: z.array(z.string(), "should be a list of columns").optional(),
});

export type SearchBody = z.infer<typeof BODY>;

/** @throws {UsageError} that names every property which cannot be used, and repeats no value. */
export function parseSearchBody(text: string): SearchBody {
  const parsed = BODY.safeParse(parseJson(text));
  if (!parsed.success) {
    throw new UsageError(
      parsed.error.issues.map(problemOf).join(" "),
      `There are: ${Object.keys(BODY.shape).join(", ")}.`,
    );
  }
  const { question, like } = parsed.data;
  if ((question === undefined) === (like === undefined))
    throw new UsageError(
      "The body should have either question or like.",
      'Such as: {"question": "cannot log in"}.',
    );
  return parsed.data;
}

/** A filter as a person types it. @throws {UsageError} if it is none */
export function parseWhere(text: string): object {
  try {
    const parsed: unknown = JSON.parse(text, withoutNul);
    if (isFilter(parsed)) return parsed;
  } catch (error) {
    if (error instanceof UsageError) throw error;
  }
  throw new UsageError("The filter cannot be used.", `It ${WHERE}.`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text, withoutNul);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError("The body is not JSON.", 'Such as: {"question": "cannot log in"}.');
  }
}

function withoutNul(key: string, value: unknown): unknown {
  if (key.includes("\0") || (typeof value === "string" && value.includes("\0")))
    throw new UsageError("The body has a NUL character.", "No text in Postgres has one.");
  return value;
}

function problemOf(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") return `There is no property ${issue.keys.join(", ")}.`;
  const [name] = issue.path;
  return name === undefined ? "The body should be an object." : `${String(name)} ${messageOf(issue)}.`;
}

/** An item of `select` has no message of its own. */
function messageOf({ path, message }: z.core.$ZodIssue): string {
  return path.length > 1 ? "should be a list of columns" : message;
}

function isRerank(value: unknown): boolean {
  return typeof value === "boolean" || reranking.safeParse(value).success;
}

function isFilter(value: unknown): value is object {
  return (
    isPlainObject(value) &&
    Object.values(value).every(
      (wanted) =>
        compared.safeParse(wanted).success ||
        // Of a jsonb column, any JSON is compared.
        isPlainObject(wanted),
    )
  );
}
