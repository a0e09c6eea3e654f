import { around } from "./around.ts";
import type { Events } from "../events.ts";
import { costOf } from "./prices/price-of.ts";
import { usageModel, type Provider } from "./provider.ts";
import type { Turn } from "./traffic/turn.ts";

/** Waits while the day's tokens are used up. */
export interface Budget {
  room(signal: AbortSignal): Promise<void>;
}

/** Of a source, what its events and its turns say. */
export interface Payer {
  /** Its name. */
  readonly source: string;
  /** Of its requests among those of other sources. */
  readonly weight: number;
  /** Money per million tokens; undefined where it is not known. */
  readonly price: number | undefined;
}

/** A request of so many texts counts as full, whatever else it might have carried. */
const MANY_TEXTS = 32;

/**
 * The provider as one source sees it: within the budget, with an event per answer that has its tokens and its time.
 * @param batchSize texts per request, at most
 */
export function withUsageEvents(
  provider: Provider,
  { source, weight, price }: Payer,
  events: Events,
  budget: Budget,
  batchSize: number,
): Provider {
  return around(provider, {
    async embed(texts, role, signal, options) {
      const turn: Turn = {
        purpose: role === "query" ? "question" : "change",
        source,
        weight,
        ...options?.turn,
      };
      const answer = await provider.embed(texts, role, signal, { ...options, turn });
      const { tokens, areTokensEstimated, milliseconds } = answer;
      const characters = texts.reduce((sum, text) => sum + countCharacters(text), 0);
      const { limits } = provider;
      const full = Math.min(MANY_TEXTS, batchSize / 2, limits.inputs / 2);
      const isFull = texts.length >= full || characters >= limits.characters / 2;
      const model = usageModel(provider);
      events.emit("answered", {
        source,
        purpose: turn.purpose,
        model,
        texts: texts.length,
        characters,
        tokens,
        areTokensEstimated,
        cost: costOf(tokens, price),
        milliseconds,
        isFull,
      });
      return answer;
    },
    async ready(signal) {
      await budget.room(signal);
      await provider.ready(signal);
    },
  });
}

/** As Postgres counts them: a character beyond 16 bits is one, though JavaScript's `length` says two. */
function countCharacters(text: string): number {
  return text.length - (text.match(/[\u{10000}-\u{10ffff}]/gu)?.length ?? 0);
}
