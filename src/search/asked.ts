import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { roleSearchPath } from "../database/session-settings.ts";
import { UsageError } from "../errors.ts";
import type { Source } from "../sources/source.ts";
import type { Columns } from "./compared-columns.ts";
import { both, type Condition, type Where } from "./filter.ts";
import { RefusedByColumns } from "./refused-by-columns.ts";
import { isReranked, type Question, type SearchOptions } from "./search-options.ts";
import type { Searched } from "./searched.ts";
import { parseQuestion } from "./words/parse-question.ts";
import { requirement } from "./words/requirement.ts";
import { lexemesOf } from "./words/word-weights.ts";
import { findLanguage, type Language, type WordIndex } from "./words/word-index.ts";

export type SearchRequest = Omit<SearchOptions<Record<string, unknown>, string>, "source" | "where"> & {
  readonly where?: Where | undefined;
  /** SQL of an operator's. */
  readonly condition?: Condition | undefined;
  /** The selected columns go out as JSON: a day stays the same day, wherever this process is. */
  readonly asJson?: boolean | undefined;
};

/** What is asked of one source, with every default filled in. */
export interface Asked {
  /** What is embedded; undefined where rows like a row are wanted. */
  readonly text: string | undefined;
  /** The key of that row. */
  readonly like: string | undefined;
  readonly language: Language;
  /** The index of the words in that language: if there is one of exactly the text's, that. */
  readonly wordIndex: WordIndex | undefined;
  /** The words of the question in that language; none where nothing asks for them. */
  readonly lexemes: readonly string[];
  readonly isHybrid: boolean;
  /** What the caller and the question's signs require of a row. */
  readonly condition: Condition | undefined;
  readonly limit: number;
  /** The rows that are ranked: `limit`, or more where they are reranked. */
  readonly candidates: number;
}

/** Rows whose texts are sent to a reranker, unless the search names a number. */
const RERANKED = 50;

/** Characters of a question whose words are looked for: it may be a whole text. */
const ASKED_CHARACTERS = 20_000;

/** @throws {UsageError} if the question has no words, or if there is no such language */
export async function understand(
  db: Database,
  { wordIndexes, usualLanguage, always, columns, keyed }: Searched,
  question: Question,
  request: SearchRequest,
): Promise<Asked> {
  checkSelected(keyed, columns, request.select);
  const language = await languageOf(db, usualLanguage, request.language);
  const limit = request.limit ?? 10;
  const candidates = Math.max(limit, rerankedRows(request));
  const own = [request.condition, request.where?.(columns), always].reduce(both);
  const ofLanguage = wordIndexes.filter((index) => index.language === language);
  const wordIndex = ofLanguage.find(({ isExact }) => isExact) ?? ofLanguage[0];
  const asked = { language, wordIndex, condition: own, limit, candidates };
  if (typeof question !== "string")
    return { ...asked, text: undefined, like: String(question.like), lexemes: [], isHybrid: false };
  const isHybrid = request.hybrid ?? wordIndexes.length > 0;
  // Postgres's texts have no such characters, and services refuse the half of a pair: an emoji that was cut.
  const plain = question.replaceAll(/[\0\p{Surrogate}]/gu, " ").trim();
  const { asked: text, required } = isHybrid ? parseQuestion(plain) : { asked: plain, required: "" };
  if (text === "") {
    throw new UsageError(
      required === "" ? "The question has no words." : "The question says only what a row must not have.",
      "Say what to search for.",
    );
  }
  const condition = both(own, await requirement(db, { language, wordIndex }, required));
  const needsWords = isHybrid || request.withSnippet === true;
  const lexemes = needsWords ? await lexemesOf(db, language, text.slice(0, ASKED_CHARACTERS)) : [];
  return { ...asked, text, like: undefined, lexemes, isHybrid, condition };
}

/** @throws {RefusedByColumns} if the table has no such column */
function checkSelected({ name }: Source, columns: Columns, select: readonly string[] = []): void {
  const unknown = select.filter((column) => !columns.has(column));
  if (unknown.length > 0)
    throw RefusedByColumns.unknown(`${name} has no column ${unknown.join(", ")} to select.`, columns);
}

function rerankedRows(request: SearchRequest): number {
  const { rerank } = request;
  if (!isReranked(request)) return 0;
  return (typeof rerank === "object" ? rerank.candidates : undefined) ?? RERANKED;
}

/** A name is looked for as the role's own statements would. */
async function languageOf(db: Database, usual: Language, name: string | undefined): Promise<Language> {
  if (name === undefined) return usual;
  return await db.transaction().execute(async (transaction) => {
    await sql`select ${roleSearchPath}`.execute(transaction);
    return await findLanguage(transaction, name);
  });
}
