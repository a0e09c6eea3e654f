import { createHash } from "node:crypto";
import type { Database } from "../database/connect.ts";
import { isDatabaseError } from "../database/database-fault.ts";
import { findPgvector } from "../database/pgvector.ts";
import { findQuestion, keepQuestion } from "../ledger/questions.ts";
import type { Embeddings, Provider } from "../providers/provider.ts";
import { Asking } from "./asking.ts";

/** Questions whose vectors are kept in memory. */
const MOST = 1_000;
const KEPT_MS = 3_600_000;

/**
 * The vectors of questions, so that a question is paid for once an hour: in this process's memory, and for other processes
 * in the database, where the role may write it. A question's text is not kept.
 */
export class QuestionVectors {
  readonly #kept = new Map<string, { readonly vector: string; readonly until: number }>();
  readonly #asking = new WeakMap<Provider, Map<string, Asking>>();

  /**
   * As pgvector writes it. Who asks the same of the same provider meanwhile shares the request, and its failure.
   * @param paid is called where it was not known. @throws {ProviderError} or the signal's reason
   */
  async of(
    db: Database,
    provider: Provider,
    question: string,
    signal: AbortSignal,
    paid: (answer: Embeddings) => Promise<void>,
  ): Promise<string> {
    const hash = createHash("sha256").update(question, "utf8").digest("hex");
    const id = `${provider.queryFingerprint} ${hash}`;
    signal.throwIfAborted();
    const kept = this.#kept.get(id);
    if (kept !== undefined && kept.until > performance.now()) return kept.vector;
    const asking =
      this.#asking.get(provider)?.get(id) ??
      this.#begin(id, provider, (abandoned) => ask(db, provider, { question, hash }, abandoned, paid));
    return asking.vector(signal);
  }

  #begin(id: string, provider: Provider, ask: (abandoned: AbortSignal) => Promise<string>): Asking {
    const askAndRemember = async (abandoned: AbortSignal): Promise<string> => {
      const vector = await ask(abandoned);
      this.#remember(id, vector);
      return vector;
    };
    const ofProvider = this.#asking.get(provider) ?? new Map<string, Asking>();
    this.#asking.set(provider, ofProvider);
    const asking = new Asking(askAndRemember, () => {
      if (ofProvider.get(id) === asking) ofProvider.delete(id);
    });
    ofProvider.set(id, asking);
    return asking;
  }

  #remember(id: string, vector: string): void {
    this.#kept.delete(id);
    this.#kept.set(id, { vector, until: performance.now() + KEPT_MS });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MOST) break;
      this.#kept.delete(oldest);
    }
  }
}

async function ask(
  db: Database,
  provider: Provider,
  { question, hash }: { readonly question: string; readonly hash: string },
  signal: AbortSignal,
  paid: (answer: Embeddings) => Promise<void>,
): Promise<string> {
  const { queryFingerprint } = provider;
  const found = await ifPossible(() => findQuestion(db, queryFingerprint, hash));
  if (found !== undefined) return `[${found.join(",")}]`;
  signal.throwIfAborted();
  const answer = await provider.embed([question], "query", signal);
  const { vectors } = answer;
  // It is paid for: whatever keeps it from being kept, this search has it.
  const kept = findPgvector(db).then((pgvector) =>
    keepQuestion(db, queryFingerprint, hash, vectors, pgvector),
  );
  await Promise.allSettled([kept, paid(answer)]);
  return `[${vectors.at(0).join(",")}]`;
}

/** Who may only read, or finds the disk full or a row locked, searches too: what is kept only saves a request. */
async function ifPossible<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (isDatabaseError(error)) return undefined;
    throw error;
  }
}
