import { UsageError } from "../errors.ts";
import { checkNames } from "./check-names.ts";
import { isReranked, type Question, type SearchOptions } from "./search-options.ts";

const MOST_ROWS = 10_000;
/** Their texts, each cut, are about as much as the services take in a request. */
const MOST_RERANKED = 200;

type Checked = Pick<
  SearchOptions<Record<string, unknown>, string>,
  "limit" | "minScore" | "weights" | "rerank" | "hybrid" | "language" | "withText" | "withSnippet" | "select"
>;

const SEARCH = Object.keys({
  source: true,
  limit: true,
  where: true,
  hybrid: true,
  language: true,
  weights: true,
  minScore: true,
  withText: true,
  withSnippet: true,
  select: true,
  rerank: true,
  signal: true,
} satisfies Record<keyof SearchOptions, true>);

/** A number as it is; of anything else, which may be a user's input, what it is. */
function shown(value: unknown): string {
  if (typeof value === "number" || value === null || value === undefined) return String(value);
  return `${typeof value === "object" ? "an" : "a"} ${typeof value}`;
}

/** @throws {UsageError} of a caller without types */
export function checkQuestion(question: Question): void {
  const given: unknown = question;
  if (typeof given === "string") return;
  if (typeof given !== "object" || given === null)
    throw new UsageError(`The question is ${shown(given)}.`, "Give a text, or { like: key }.");
  if (!Array.isArray(given)) checkNames("The question", given, ["like"]);
  const like = "like" in given ? given.like : undefined;
  if (!["string", "number", "bigint"].includes(typeof like))
    throw new UsageError(`like is ${shown(like)}.`, "Give the key of a row.");
  if (Number.isInteger(like) && !Number.isSafeInteger(like))
    throw new UsageError(
      "like is rounded: JavaScript has no such whole number.",
      "Give the key as a text, or as a bigint.",
    );
}

/** @throws {UsageError} of a caller without types */
export function checkSearch(options: object): void {
  checkNames("The options of a search", options, SEARCH);
  if ("where" in options && options.where === undefined)
    throw new UsageError("where is undefined.", "Leave it out, or give {}, to search all rows.");
  if ("signal" in options) checkSignal(options.signal);
}

/** @throws {UsageError} of a caller without types: a row without a key would be waited for without end */
export function checkAwaited(row: { readonly key: unknown; readonly signal?: unknown }): void {
  checkNames("The row to wait for", row, ["source", "key", "signal"]);
  if (!["string", "number", "bigint"].includes(typeof row.key))
    throw new UsageError(`key is ${shown(row.key)}.`, "Give the key as a search returns it.");
  checkSignal(row.signal);
}

function checkSignal(signal: unknown): void {
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new UsageError(`signal is ${shown(signal)}.`, "Give the signal of an AbortController.");
}

/** Of a caller without types, or whose options come from outside. */
function checkTypes({
  language,
  select,
  ...switches
}: Pick<Checked, "hybrid" | "language" | "withText" | "withSnippet" | "select">): void {
  for (const name of ["hybrid", "withText", "withSnippet"] as const)
    if (!["boolean", "undefined"].includes(typeof switches[name]))
      throw new UsageError(`${name} is ${shown(switches[name])}.`, "Give true or false.");
  if (!["string", "undefined"].includes(typeof language))
    throw new UsageError(`language is ${shown(language)}.`, 'Give its name, such as "english".');
  const columns: unknown = select;
  const isList = Array.isArray(columns) && columns.every((column) => typeof column === "string");
  if (columns !== undefined && !isList)
    throw new UsageError("select is no list of columns.", 'Such as: ["title", "status"].');
}

function checkObject(name: string, value: unknown, types: readonly string[], remedy: string): void {
  const isObject = typeof value === "object" && value !== null;
  if (!isObject && !types.includes(typeof value)) throw new UsageError(`${name} is ${shown(value)}.`, remedy);
}

/** @throws {UsageError} if an option cannot be used. */
export function checkOptions({ limit, minScore, weights, rerank, ...others }: Checked): void {
  checkTypes(others);
  checkObject("weights", weights, ["undefined"], "Such as: { words: 0.6 }.");
  checkObject("rerank", rerank, ["undefined", "boolean"], "Give true, false, or { candidates: 50 }.");
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= MOST_ROWS))
    throw new UsageError(`limit is ${shown(limit)}.`, `Give a whole number from 1 to ${MOST_ROWS}.`);
  if (minScore !== undefined && !Number.isFinite(minScore))
    throw new UsageError(`minScore is ${shown(minScore)}.`, "Give a number, such as 0.5.");
  if (weights !== undefined && !(Number.isFinite(weights.words) && weights.words >= 0 && weights.words <= 1))
    throw new UsageError(`weights.words is ${shown(weights.words)}.`, "Give a number from 0 to 1.");
  if (typeof rerank === "object") checkNames("rerank", rerank, ["candidates"]);
  const { candidates } = typeof rerank === "object" ? rerank : {};
  if (
    candidates !== undefined &&
    !(Number.isInteger(candidates) && candidates >= 1 && candidates <= MOST_RERANKED)
  )
    throw new UsageError(
      `rerank.candidates is ${shown(candidates)}.`,
      `Give a whole number from 1 to ${MOST_RERANKED}.`,
    );
  if (isReranked({ rerank }) && (limit ?? 0) > MOST_RERANKED)
    throw new UsageError(
      `limit is ${limit}, and at most ${MOST_RERANKED} rows are reranked.`,
      "Search without rerank, or for fewer rows.",
    );
}
