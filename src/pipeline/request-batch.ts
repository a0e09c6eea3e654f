import { pack } from "../providers/isolate/pack.ts";
import type { ClaimedRow } from "../queue/claim-state.ts";
import type { ConcurrencyLimit } from "../timing/concurrency-limit.ts";
import { PendingTexts } from "./pending-texts.ts";
import { purposeOf } from "./purpose-of.ts";
import { sendRequest } from "./send-request.ts";
import type { SourceContext } from "./source-context.ts";
import { ticketsOf, type UniqueText } from "./unique-text.ts";
import { writeCachedVectors } from "./write-cached-vectors.ts";

/** Rows held beyond which none are claimed, if any of them only wait for a text that is being embedded. */
const MOST_HELD = 4_096;

/** Requests in flight, and ready for their turn. A change is ready for its own while those of a backfill wait for theirs. */
export interface Lanes {
  readonly changes: ConcurrencyLimit;
  readonly pages: ConcurrencyLimit;
}

interface UnsentText extends UniqueText {
  readonly tickets: string[];
}

/**
 * The texts of a source on their way to the provider, each once, however many rows have it.
 *
 *   add ──▶ unsent ──sendFull──▶ pending ──vectors written──▶ completed ──evictCompleted──▶ (forgotten)
 *             └──releaseUnsent──▶ (released)
 *   attach: another row with the text of an unsent or pending one
 */
export class RequestBatch {
  readonly #context: SourceContext;
  readonly #lanes: Lanes;
  readonly #aborting: AbortSignal;
  readonly #pending = new PendingTexts();
  /** By hash. */
  #unsent = new Map<string, UnsentText>();

  constructor(context: SourceContext, lanes: Lanes, aborting: AbortSignal) {
    this.#context = context;
    this.#lanes = lanes;
    this.#aborting = aborting;
  }

  /** Whether this process has the text already, sent or not. */
  hasText(row: ClaimedRow): boolean {
    const hash = row.text_hash ?? "";
    return this.#unsent.has(hash) || this.#pending.has(hash);
  }

  /** Adds the texts of `new` rows. */
  add(rows: readonly ClaimedRow[]): void {
    for (const { ticket, text, text_hash: hash } of rows) {
      if (text === null || hash === null) continue;
      const unsent = this.#unsent.get(hash);
      if (unsent === undefined) this.#unsent.set(hash, { hash, text, tickets: [ticket] });
      else unsent.tickets.push(ticket);
    }
  }

  /** Adds rows whose texts it has. */
  attach(rows: readonly ClaimedRow[]): void {
    const pending: ClaimedRow[] = [];
    for (const row of rows) {
      const unsent = this.#unsent.get(row.text_hash ?? "");
      if (unsent === undefined) pending.push(row);
      else unsent.tickets.push(row.ticket);
    }
    this.#pending.attach(pending, (rows) => writeCachedVectors(this.#context, rows));
  }

  /** Resolves when more rows may be claimed. */
  async hasRoom(): Promise<void> {
    while (this.#isCrowded && this.#pending.hasWaiting) await this.#pending.someHandled();
  }

  /** To be called before each claim: see `PendingTexts`. */
  evictCompleted(): void {
    this.#pending.evictCompleted();
  }

  /**
   * Sends full requests, and with `andRest` what is left over. Cache hits leave a request half empty: without `andRest`
   * it is filled by another claim before it is sent.
   */
  async sendFull({ andRest }: { readonly andRest: boolean }): Promise<void> {
    const { batchSize } = this.#context.settings;
    if (!andRest && this.#unsent.size < batchSize && !this.#isCrowded) return;
    const requests = this.#pack([...this.#unsent.values()]);
    const last = requests.at(-1) ?? [];
    const isKept = !andRest && requests.length > 1 && last.length < batchSize;
    this.#unsent = new Map((isKept ? last : []).map((text) => [text.hash, text]));
    for (const request of isKept ? requests.slice(0, -1) : requests) await this.#send(request);
  }

  async releaseUnsent(): Promise<void> {
    const unsent = [...this.#unsent.values()];
    this.#unsent = new Map();
    await this.#context.claims.release(ticketsOf(unsent), "not sent", 0);
  }

  get #isCrowded(): boolean {
    return this.#context.claims.held.size >= MOST_HELD;
  }

  #pack(texts: readonly UnsentText[]): UnsentText[][] {
    const { provider, settings } = this.#context;
    const inputs = Math.min(provider.limits.inputs, settings.batchSize);
    return pack(texts, ({ text }) => text, { ...provider.limits, inputs });
  }

  /** Waits until the request may be sent and its vectors would be kept, not for its answer: the next claim is made in the meantime. */
  async #send(texts: readonly UniqueText[]): Promise<void> {
    await this.#context.unkept.none();
    const lanes = purposeOf(this.#context, texts) === "change" ? this.#lanes.changes : this.#lanes.pages;
    await lanes.start(async () => {
      const sent = sendRequest(this.#context, texts, this.#aborting);
      this.#pending.add(
        texts.map(({ hash }) => hash),
        sent.then(({ written }) => written),
      );
      await sent;
    });
  }
}
