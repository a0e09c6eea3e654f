import type { Purpose } from "../../events.ts";

/** Whose request it is, and how urgent: what decides when its turn comes. */
export interface Turn {
  readonly purpose: Exclude<Purpose, "rerank">;
  /** The source's name: sources whose requests are equally urgent take turns. */
  readonly source: string;
  /** Of the source: one of weight 2 gets twice as much as one of weight 1. */
  readonly weight: number;
}

const BY_URGENCY: readonly Turn["purpose"][] = ["question", "change", "retry", "backfill", "model change"];

/** 0 is the most urgent. */
export function urgencyOf({ purpose }: Turn): number {
  return BY_URGENCY.indexOf(purpose);
}

/** Somebody waits for it, or a change does: it may use every lane. */
export function isPrompt({ purpose }: Turn): boolean {
  return purpose === "question" || purpose === "change";
}
