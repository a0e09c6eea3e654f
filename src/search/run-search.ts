import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { roleSearchPath } from "../database/session-settings.ts";
import { Deadline } from "../timing/deadline.ts";
import { ProviderError } from "../providers/provider-error.ts";
import type { Embeddings, Provider } from "../providers/provider.ts";
import { TRIED_LATER } from "../providers/what-follows.ts";
import type { Reranker } from "../providers/rerank/reranker.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import type { Source } from "../sources/source.ts";
import { throwAboutTheQuestion } from "./about-the-question.ts";
import { understand, type Asked, type SearchRequest } from "./asked.ts";
import type { Bills } from "./bills.ts";
import { ByWords } from "./by-words.ts";
import { describeRows } from "./describe-rows.ts";
import { CANDIDATES, fuse, usualWordsWeight, type Ranked } from "./fuse.ts";
import { nearest, type Nearest } from "./nearest.ts";
import type { QuestionVectors } from "./question-vectors.ts";
import { readVector } from "./read-vector.ts";
import { rerank, type Order } from "./rerank.ts";
import { isReranked, type Question, type SearchResult } from "./search-options.ts";
import type { Searched } from "./searched.ts";
import { whyNothing } from "./why-nothing.ts";
import { whyUnembedded } from "./why-unembedded.ts";

export interface SearchContext {
  readonly db: Database;
  readonly questions: QuestionVectors;
  /** The provider of a source. It stays open. */
  readonly providerOf: (source: Source) => Promise<Provider>;
  /** For embedding the question. */
  readonly timeoutMs: number;
  readonly reranker?: Reranker | undefined;
  readonly bills?: Bills | undefined;
}

export type Found = SearchResult<Record<string, unknown>>;

/** Searches one source by meaning, and by words where that is wanted. */
export async function runSearch(
  context: SearchContext,
  searched: Searched,
  question: Question,
  request: SearchRequest,
): Promise<Found> {
  request.signal?.throwIfAborted();
  const asked = await understand(context.db, searched, question, request);
  const search = new SearchOf(context, searched, asked, request);
  return asked.isHybrid ? await search.hybrid() : await search.byMeaning();
}

class SearchOf {
  readonly #context: SearchContext;
  readonly #searched: Searched;
  readonly #asked: Asked;
  readonly #request: SearchRequest;

  constructor(context: SearchContext, searched: Searched, asked: Asked, request: SearchRequest) {
    this.#context = context;
    this.#searched = searched;
    this.#asked = asked;
    this.#request = request;
  }

  async byMeaning(): Promise<Found> {
    const { like, candidates } = this.#asked;
    const { vector, key: itself } =
      like === undefined
        ? { vector: (await this.#embed().catch(throwAboutTheQuestion)).vector, key: undefined }
        : await this.#read((db, searched) => readVector(db, searched, like));
    const found = await this.#nearest(vector, { limit: itself === undefined ? candidates : candidates + 1 });
    const near = found.filter(({ key }) => key !== itself).slice(0, candidates);
    const ranked = near.map(({ key, distance }) => ({ key, score: 1 - distance }));
    return await this.#answer({ ranked, rankedBy: "meaning", vector, near, notices: [] });
  }

  async hybrid(): Promise<Found> {
    const byWords = new ByWords((work) => this.#read(work), this.#asked);
    const [meaning, first] = await Promise.all([this.#meaningIfEmbedded(), byWords.first()]);
    const { vector, found, wordsWeight, notices } = meaning;
    const ranked = fuse(found, await byWords.completed(first, found), wordsWeight).slice(
      0,
      this.#asked.candidates,
    );
    const rankedBy = vector === undefined ? "words" : "meaning and words";
    return await this.#answer({ ranked, rankedBy, vector, near: undefined, notices });
  }

  /** Where the question cannot be embedded, the words alone answer. */
  async #meaningIfEmbedded(): Promise<ByMeaning> {
    let embedded;
    try {
      embedded = await this.#embed();
    } catch (error) {
      this.#request.signal?.throwIfAborted();
      return { vector: undefined, found: [], wordsWeight: 1, notices: [whyUnembedded(error)] };
    }
    const { vector, provider } = embedded;
    const limit = Math.max(CANDIDATES, this.#asked.candidates);
    const found = await this.#nearest(vector, { limit, enough: this.#asked.limit });
    const wordsWeight = this.#request.weights?.words ?? usualWordsWeight(provider.backend);
    return { vector, found, wordsWeight, notices: [] };
  }

  async #embed(): Promise<{ vector: string; provider: Provider }> {
    const { db, questions, providerOf, timeoutMs, bills } = this.#context;
    const { source } = this.#searched;
    const { signal } = this.#request;
    using deadline = new Deadline(signal, timeoutMs);
    const provider = await providerOf(source);
    const paid = async (answer: Embeddings): Promise<void> => bills?.question(source, provider, answer);
    try {
      const vector = await questions.of(db, provider, this.#asked.text ?? "", deadline.signal, paid);
      return { vector, provider };
    } catch (error) {
      if (!deadline.expired || error instanceof ProviderError) throw error;
      throw new ProviderError(
        "unavailable",
        `The question has got no vector within ${timeoutMs} ms. ${TRIED_LATER}`,
        { cause: error },
      );
    }
  }

  async #nearest(vector: string, bounds: { limit: number; enough?: number }): Promise<Nearest[]> {
    const { condition } = this.#asked;
    return await this.#read((db, searched) => nearest(db, searched, vector, { ...bounds, condition }));
  }

  /** The best of the ranked rows, reranked where that is wanted. */
  async #answer(first: Ranking): Promise<Found> {
    const { ranked, rankedBy, vector, near, notices } = await this.#reranked(first);
    const best = ranked.slice(0, this.#asked.limit);
    const wanted = best.filter(({ score }) => this.#isWanted(score));
    const isKnown = near !== undefined && this.#isPlain;
    const hits = isKnown ? plainHits(wanted, near) : await this.#describe(wanted, vector, this.#request);
    return await this.#result(hits, rankedBy, best, notices);
  }

  async #reranked(first: Ranking): Promise<Ranking> {
    const { reranker, bills } = this.#context;
    const { text } = this.#asked;
    if (!isReranked(this.#request) || reranker === undefined || text === undefined) return first;
    const candidates = await this.#describe(first.ranked, first.vector, { withText: true });
    const charged = { requests: 0, tokens: 0 };
    const counting: Pick<Reranker, "scores"> = {
      scores: (question, texts, signal) =>
        reranker.scores(question, texts, signal, ({ requests, tokens }) => {
          charged.requests += requests;
          charged.tokens += tokens;
        }),
    };
    const order = await rerank(counting, text, candidates, first, this.#request.signal);
    await bills?.ranking(this.#searched.source, charged);
    // It took a while: the rows are shown as they are now.
    return { ...first, ...order, near: undefined };
  }

  async #describe(
    ranked: readonly Ranked[],
    vector: string | undefined,
    { withText = false, withSnippet = false, select = [], asJson = false }: Shown,
  ): Promise<Found["hits"]> {
    const { condition, language, lexemes, isHybrid } = this.#asked;
    return await this.#read(async (db, searched) => {
      const shown = { vector, condition, withText, withSnippet, select, asJson, language, lexemes, isHybrid };
      return await describeRows(db, searched, ranked, shown);
    });
  }

  async #result(
    hits: Found["hits"],
    rankedBy: Found["rankedBy"],
    [best]: readonly Ranked[],
    notices: readonly string[],
  ): Promise<Found> {
    const why =
      hits.length > 0
        ? []
        : [await this.#read((db, searched) => whyNothing(db, searched, this.#asked, best?.score))];
    return { hits, rankedBy, notice: [...notices, ...why].join(" ") || null };
  }

  /** Nothing is asked for but keys and distances, which are known already. */
  get #isPlain(): boolean {
    const { withText, withSnippet, select = [] } = this.#request;
    return withText !== true && withSnippet !== true && select.length === 0;
  }

  #isWanted(score: number): boolean {
    return score >= (this.#request.minScore ?? -Infinity);
  }

  /**
   * Reads rows. A condition finds the functions and operators that its role does, and writes nothing. If one text cannot be
   * computed, each is evaluated on its own: in a transaction of its own, since the first one is lost.
   */
  async #read<T>(work: (db: Database, searched: Searched) => Promise<T>): Promise<T> {
    const { signal } = this.#request;
    const { db } = this.#context;
    return await withPerRowFallback(this.#searched.keyed, async (keyed) => {
      signal?.throwIfAborted();
      const searched = { ...this.#searched, keyed };
      if (this.#asked.condition === undefined) return await work(db, searched);
      return await db
        .transaction()
        .setAccessMode("read only")
        .execute(async (transaction) => {
          await sql`select ${roleSearchPath}`.execute(transaction);
          return await work(transaction, searched);
        });
    });
  }
}

type Shown = Pick<SearchRequest, "withText" | "withSnippet" | "select" | "asJson">;

interface Ranking extends Order {
  readonly vector: string | undefined;
  /** What is known of the rows already, where it is. */
  readonly near: readonly Nearest[] | undefined;
}

interface ByMeaning {
  readonly vector: string | undefined;
  readonly found: readonly Nearest[];
  readonly wordsWeight: number;
  readonly notices: readonly string[];
}

function plainHits(ranked: readonly Ranked[], near: readonly Nearest[]): Found["hits"] {
  const known = new Map(near.map((one) => [one.key, one]));
  return ranked.map(({ key, score }) => {
    const { distance = null, chunk } = known.get(key) ?? {};
    const position = chunk === undefined ? {} : { chunk };
    return { key, score, distance, text: null, snippet: null, ...position, row: {} };
  });
}
