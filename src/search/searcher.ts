import type { Database } from "../database/connect.ts";
import { describeDatabaseError, harmlessMessage, isDatabaseError } from "../database/database-fault.ts";
import { UsageError } from "../errors.ts";
import type { Provider } from "../providers/provider.ts";
import type { Reranker } from "../providers/rerank/reranker.ts";
import type { Source } from "../sources/source.ts";
import type { Bills } from "./bills.ts";
import { SourceHasChanged } from "./nearest.ts";
import { RefusedByColumns } from "./refused-by-columns.ts";
import { QuestionVectors } from "./question-vectors.ts";
import type { SearchRequest } from "./asked.ts";
import { runSearch } from "./run-search.ts";
import { checkOptions, checkQuestion } from "./check-options.ts";
import { isReranked, type Question, type SearchResult } from "./search-options.ts";
import { loadSearched, type Searched } from "./searched.ts";
import { INSUFFICIENT_PRIVILEGE } from "../sqlstate.ts";

/** How long what is known of a source's indexes and size is used. */
const KNOWN_MS = 60_000;

export interface SearcherOptions {
  readonly db: Database;
  /** The provider of a source. It stays open between searches. */
  readonly providerOf: (source: Source) => Promise<Provider>;
  /** For embedding the question. */
  readonly timeoutMs: number;
  /** Counts what questions and the reranker cost; left out, nothing is counted. */
  readonly bills?: Bills | undefined;
  /** Undefined if none is configured. It stays open. */
  readonly reranker?: Reranker | undefined;
}

/** Searches the sources of one database, and keeps what the next search will need. */
export class Searcher {
  readonly #options: SearcherOptions;
  readonly #questions = new QuestionVectors();
  readonly #known = new Map<
    string | undefined,
    { readonly searched: Promise<Searched>; readonly until: number }
  >();

  constructor(options: SearcherOptions) {
    this.#options = options;
  }

  /**
   * @param source optional where there is only one
   * @throws {UsageError} if an option cannot be used, if no source has the name, or if several sources could be meant
   * @throws {SetupError} if the source cannot be searched
   * @throws {ProviderError} if the question cannot be embedded and its words may not be looked for
   */
  async search(
    source: string | undefined,
    question: Question,
    request: SearchRequest,
  ): Promise<SearchResult<Record<string, unknown>>> {
    checkQuestion(question);
    checkOptions(request);
    checkSource(source);
    if (isReranked(request)) checkRerank(question, this.#options.reranker);
    const run = async (): Promise<SearchResult<Record<string, unknown>>> =>
      runSearch({ ...this.#options, questions: this.#questions }, await this.of(source), question, request);
    try {
      try {
        return await run();
      } catch (error) {
        if (!isOfAnotherShape(error)) throw error;
        this.#known.delete(source);
        return await run();
      }
    } catch (error) {
      throw explained(error);
    }
  }

  /** The source of that name, loaded a minute ago at most. */
  async of(name: string | undefined): Promise<Searched> {
    const known = this.#known.get(name);
    if (known !== undefined && known.until > performance.now()) return await known.searched;
    const searched = loadSearched(this.#options.db, name);
    this.#known.set(name, { searched, until: performance.now() + KNOWN_MS });
    try {
      return await searched;
    } catch (error) {
      this.#known.delete(name);
      throw error;
    }
  }
}

/** @throws {UsageError} of a caller without types */
function checkSource(source: unknown): void {
  if (source !== undefined && typeof source !== "string")
    throw new UsageError(`source is a ${typeof source}.`, "Give the name of a source.");
}

/** @throws {UsageError} if rows cannot be reranked */
function checkRerank(question: Question, reranker: Reranker | undefined): void {
  if (typeof question !== "string")
    throw new UsageError("Rows like a row cannot be reranked.", "Rerank takes a question in words.");
  if (reranker === undefined)
    throw new UsageError(
      "No reranker is configured here.",
      "Set RERANK_BACKEND (docs/providers.md), or search without rerank.",
    );
}

/** The source, or its table, is not what was loaded, or may not be. */
function isOfAnotherShape(error: unknown): boolean {
  if (error instanceof SourceHasChanged || error instanceof RefusedByColumns) return true;
  return isDatabaseError(error) && /^42|^22000$/.test(error.code);
}

/** The database's message is repeated only if it is about the SQL: a message about values could quote a text. */
function explained(error: unknown): unknown {
  if (!isDatabaseError(error) || !/^(?:22|42|25006)/.test(error.code)) return error;
  const what = harmlessMessage(error) ?? describeDatabaseError(error);
  return new UsageError(
    `The database refuses the search: ${what}.`,
    error.code === INSUFFICIENT_PRIVILEGE
      ? "Grant select on what is searched and selected to the role that searches."
      : "A condition compares the table's own columns with values of their types; a language is a text search configuration (\\dF in psql).",
    // That of a value would repeat it.
    error.code.startsWith("42") ? { cause: error } : {},
  );
}
