import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "../database/connect.ts";
import { findPgvector } from "../database/pgvector.ts";
import { SetupError } from "../errors.ts";
import { setQuestionModel } from "../ledger/model.ts";
import { findQuestion, keepQuestion } from "../ledger/questions.ts";
import { addSpent } from "../ledger/spending.ts";
import { costOf, priceOf, type PriceConfig } from "../providers/prices/price-of.ts";
import { usageModel } from "../providers/provider.ts";
import { ProviderError } from "../providers/provider-error.ts";
import type { Providers } from "../providers/registry.ts";
import type { RetryingProvider } from "../providers/retrying-provider.ts";
import { coalesced } from "../timing/coalesced.ts";
import { repeat } from "../timing/repeat.ts";
import { unlessAborted } from "../timing/unless-aborted.ts";
import {
  dropAbandonedQuestions,
  failQuestion,
  forgetQuestion,
  nameOf,
  releaseQuestion,
  takeQuestions,
  type QuestionFailure,
  type WaitingQuestion,
} from "./waiting-questions.ts";

/** How long a look for questions is put off after the last: any role that can connect may ask for one, by NOTIFY. */
const LOOK_PAUSE_MS = 10;
const DROP_MS = 5_000;
/** Less than the time that `autoembed.ask()` waits by default: who asks then learns why there is no answer. */
const MOST_MS = 25_000;
/** A person waits: a request that fails is sent once more, not as often as one for rows. */
const ATTEMPTS = 2;
/** Questions that are embedded at a time, so that their texts take little memory: none is longer than 64 kB. */
const MOST_AT_ONCE = 32;
const KEEP_ATTEMPTS = 4;
const KEEP_PAUSE_MS = 500;

export interface AskedQuestionsOptions {
  readonly db: Database;
  readonly providers: Pick<Providers, "forQuestions">;
  /** The `embedding_listener.id` to take questions under. */
  readonly claimant: { id(): Promise<number> };
  /** `EMBEDDING_TIMEOUT`, and the prices of what is counted. */
  readonly config: PriceConfig;
}

/**
 * Embeds the questions of `autoembed.ask()`, apart from the workers: none waits for a claim, and the provider's turn is
 * that of a question.
 *
 *   waiting ──taken──▶ owned ──┬─ embedded, or known ──▶ its vector is kept, its row is gone
 *      ▲                       ├─ failed ──▶ the text is gone, the reason stays for a minute
 *      └── stopping, or no database ──────┘
 */
export class AskedQuestions {
  /** Takes what waits, soon. */
  readonly look = coalesced(LOOK_PAUSE_MS, () => this.#take());
  readonly #options: AskedQuestionsOptions;
  /** By `nameOf`. */
  readonly #underWay = new Map<string, Promise<void>>();
  #stopDropping: (() => void) | undefined;
  #stopped = false;

  constructor(options: AskedQuestionsOptions) {
    this.#options = options;
  }

  /** Whether none is being embedded. */
  get isIdle(): boolean {
    return this.#underWay.size === 0;
  }

  start(): void {
    this.rest();
    this.#stopDropping = repeat(DROP_MS, () => dropAbandonedQuestions(this.#options.db));
    this.look();
  }

  /** Asks the database nothing until it is started again; `look` still takes what waits. */
  rest(): void {
    this.#stopDropping?.();
  }

  /** Takes no more. Resolves when the questions that were taken are answered, or left to other listeners. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopDropping?.();
    await Promise.all(this.#underWay.values());
  }

  async #take(): Promise<void> {
    if (this.#stopped) return;
    const { db, claimant } = this.#options;
    const underWay = [...this.#underWay.keys()];
    const most = MOST_AT_ONCE - underWay.length;
    if (most === 0) return;
    for (const waiting of await takeQuestions(db, { owner: await claimant.id(), underWay, most })) {
      const name = nameOf(waiting);
      const answered = this.#answer(waiting)
        .catch(() => undefined) // the database does not answer: it is asked for again in a second
        .finally(() => {
          this.#underWay.delete(name);
          if (this.#underWay.size === MOST_AT_ONCE - 1) this.look();
        });
      this.#underWay.set(name, answered);
    }
  }

  async #answer(waiting: WaitingQuestion): Promise<void> {
    const { db } = this.#options;
    try {
      await this.#embed(waiting);
      await forgetQuestion(db, waiting);
    } catch (error) {
      const failure = this.#stopped ? undefined : failureOf(error);
      if (failure === undefined) await releaseQuestion(db, waiting);
      else await failQuestion(db, waiting, failure);
    }
  }

  /** A question that was asked before has its vector already, whoever asked it. */
  async #embed(waiting: WaitingQuestion): Promise<void> {
    const { db, providers, config } = this.#options;
    const signal = AbortSignal.timeout(Math.min(config.EMBEDDING_TIMEOUT, MOST_MS));
    const provider = await unlessAborted(signal, providers.forQuestions(waiting));
    const { queryFingerprint } = provider;
    if (waiting.questionModel !== queryFingerprint)
      await setQuestionModel(db, waiting.sourceId, queryFingerprint);
    if ((await findQuestion(db, queryFingerprint, waiting.hash)) !== undefined) return;
    throwIfOpen(provider);
    const [{ vectors, tokens }, pgvector] = await Promise.all([
      provider.embed([waiting.question], "query", signal, { attempts: ATTEMPTS }),
      findPgvector(db),
    ]);
    const { perMillion } = priceOf(config, waiting);
    await Promise.allSettled([
      addSpent(db, {
        source: waiting.source,
        model: usageModel(provider),
        purpose: "question",
        requests: 1,
        tokens,
        cost: costOf(tokens, perMillion),
      }),
    ]);
    await inSeveralAttempts(() => keepQuestion(db, queryFingerprint, waiting.hash, vectors, pgvector));
  }
}

/** It was paid for: asked again, it would be paid for again. @throws {Unkept} where the database does not take it */
async function inSeveralAttempts(keep: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await keep();
      return;
    } catch (error) {
      if (attempt === KEEP_ATTEMPTS)
        throw new Unkept("the database does not take the vector", { cause: error });
      await delay(KEEP_PAUSE_MS);
    }
  }
}

class Unkept extends Error {}

/** A circuit that is open may take a while to close. */
function throwIfOpen({ state }: RetryingProvider): void {
  if (state.name === "open" && state.error !== undefined) throw state.error;
}

/** For the one who asks: without the provider's words. Undefined where the fault is not the provider's. */
function failureOf(error: unknown): QuestionFailure | undefined {
  if (error instanceof DOMException || error instanceof Unkept) return "unavailable";
  if (error instanceof SetupError) return "setup";
  if (!(error instanceof ProviderError)) return undefined;
  if (error.kind === "row") return error.tooLong ? "too_long" : "refused";
  return error.kind === "setup" ? "setup" : "unavailable";
}
