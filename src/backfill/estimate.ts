import { costOf, type Price } from "../providers/prices/price-of.ts";
import type { DryRunCounts } from "./dry-run-counts.ts";
import { CHARACTERS_PER_TOKEN, charactersPerToken, type Learnt } from "../ledger/learnt.ts";

/** The settings that an estimate depends on. */
export interface Pace {
  /** Texts per request, at most. */
  readonly batchSize: number;
  /** Characters per request, at most. */
  readonly batchCharacters: number;
  /** Sent before each text. */
  readonly prefixCharacters: number;
  /** Requests in flight, at most. */
  readonly concurrency: number;
  readonly requestsPerMinute: number | undefined;
  readonly tokensPerMinute: number | undefined;
  readonly price: Price;
}

export interface Estimate {
  readonly tokens: number;
  readonly requests: number;
  /** Null where nothing is known of the pace. */
  readonly seconds: number | null;
  /** What `seconds` comes from. */
  readonly pace: {
    /** Requests at a time, at most. */
    readonly lanes: number;
    /** With one request at a time; null where nothing was measured. */
    readonly secondsInOneLane: number | null;
    /** By the requests and the tokens per minute that there may be. */
    readonly secondsByRate: number;
  };
  /** In US dollars if it is by a list price, else in the currency of the setting; null where the price is not known. */
  readonly cost: number | null;
  /** The day of the list price, YYYY-MM-DD; null where the cost is not by one. */
  readonly priceListedOn: string | null;
  /** For each of these figures, in words, what it is based on. */
  readonly basis: {
    readonly tokens: string;
    readonly requests: string;
    readonly seconds: string;
    readonly cost: string;
  };
}

export function estimate(
  work: Pick<DryRunCounts, "texts" | "characters">,
  learnt: Learnt,
  pace: Pace,
): Estimate {
  const perToken = charactersPerToken(learnt);
  const characters = work.characters + work.texts * pace.prefixCharacters;
  // What was learnt is tokens per character of the texts alone: their prefixes are in it.
  const tokens = Math.round((learnt.tokens > 0 ? work.characters : characters) / perToken);
  const requests = Math.max(
    Math.ceil(work.texts / pace.batchSize),
    Math.ceil(characters / pace.batchCharacters),
  );
  const { seconds, basis, secondsByRate } = estimateTime(work.texts, tokens, requests, learnt, pace);
  return {
    tokens,
    requests,
    seconds,
    pace: {
      lanes: pace.concurrency,
      secondsInOneLane: learnt.texts === 0 ? null : (work.texts * learnt.milliseconds) / learnt.texts / 1000,
      secondsByRate,
    },
    cost: costOf(tokens, pace.price.perMillion) ?? null,
    priceListedOn: pace.price.listedOn,
    basis: {
      tokens:
        learnt.tokens > 0
          ? `${perToken.toFixed(2)} characters per token, as charged for ${learnt.characters} characters of this source`
          : `${CHARACTERS_PER_TOKEN} characters per token, assumed: this model has reported no tokens for this source yet`,
      requests: `at most ${pace.batchSize} texts and ${pace.batchCharacters} characters per request`,
      seconds: basis,
      cost: pace.price.basis,
    },
  };
}

function estimateTime(
  texts: number,
  tokens: number,
  requests: number,
  learnt: Learnt,
  { concurrency, requestsPerMinute = Infinity, tokensPerMinute = Infinity }: Pace,
): { readonly seconds: number | null; readonly basis: string; readonly secondsByRate: number } {
  const secondsByRequests = (60 * requests) / requestsPerMinute;
  const secondsByTokens = (60 * tokens) / tokensPerMinute;
  const secondsByRate = Math.max(secondsByRequests, secondsByTokens);
  if (texts === 0) return { seconds: 0, basis: "nothing to send", secondsByRate };
  if (learnt.texts === 0) {
    const basis = "no full request of this source to this model was timed yet";
    return { seconds: null, basis, secondsByRate };
  }
  const msPerText = learnt.milliseconds / learnt.texts;
  const atOnce = Math.min(concurrency, requests);
  const paces = [
    {
      seconds: (msPerText * texts) / atOnce / 1000,
      basis: `${msPerText.toFixed(1)} ms per text, as measured on ${learnt.texts} texts of this source, with ${atOnce} ${atOnce === 1 ? "request" : "requests"} at a time`,
    },
    {
      seconds: secondsByRequests,
      basis: `at most ${requestsPerMinute} requests per minute`,
    },
    { seconds: secondsByTokens, basis: `at most ${tokensPerMinute} tokens per minute` },
  ];
  const slowest = paces.reduce((slowest, pace) => (pace.seconds > slowest.seconds ? pace : slowest));
  return { ...slowest, secondsByRate };
}
