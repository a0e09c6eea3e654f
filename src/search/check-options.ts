import { UsageError } from "../errors.ts";
import { isReranked, type SearchOptions } from "./search-options.ts";

const MOST_ROWS = 10_000;
/** Their texts, each cut, are about as much as the services take in a request. */
const MOST_RERANKED = 200;

type Checked = Pick<
  SearchOptions<Record<string, unknown>, string>,
  "limit" | "minScore" | "weights" | "rerank" | "hybrid" | "language" | "withText" | "withSnippet" | "select"
>;

/** A number as it is; of anything else, which may be a user's input, what it is. */
function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : `a ${typeof value}`;
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

/** @throws {UsageError} if an option cannot be used. */
export function checkOptions({ limit, minScore, weights, rerank, ...others }: Checked): void {
  checkTypes(others);
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= MOST_ROWS))
    throw new UsageError(`limit is ${shown(limit)}.`, `Give a whole number from 1 to ${MOST_ROWS}.`);
  if (minScore !== undefined && !Number.isFinite(minScore))
    throw new UsageError(`minScore is ${shown(minScore)}.`, "Give a number, such as 0.5.");
  if (weights !== undefined && !(weights.words >= 0 && weights.words <= 1))
    throw new UsageError(`weights.words is ${shown(weights.words)}.`, "Give a number from 0 to 1.");
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
