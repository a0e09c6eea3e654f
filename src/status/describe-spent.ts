import type { SpentToday } from "../ledger/spending.ts";

const MOST_DECIMALS = 20;

interface Described extends SpentToday {
  readonly prices_listed_on: string | null;
}

/** What the day has cost, and by which prices; undefined if nothing was sent. */
export function describeSpent(spent: Described): string | undefined {
  if (spent.tokens === 0) return undefined;
  const purposes = Object.entries(spent.by_purpose).map(
    ([purpose, { tokens, cost }]) => `${purpose} ${tokens} tokens, ${money(cost)}`,
  );
  return [`spent today: ${money(spent.cost)} (${purposes.join("; ")})`, ...pricesOf(spent)].join("; ");
}

/** Where the prices are from, and what they leave out. */
export function pricesOf({ prices_listed_on: date, unpriced_tokens: unpriced }: Described): string[] {
  return [
    ...(date === null ? [] : [`USD, at list prices of ${date}`]),
    ...(unpriced === 0
      ? []
      : [`without ${unpriced} tokens whose price is not known: set EMBED_PRICE_PER_MILLION_TOKENS`]),
  ];
}

/** 12.34, or with two digits for small amounts: 0.0021, 0.000000020. */
export function money(amount: number): string {
  if (amount <= 0 || amount >= 0.1) return amount.toFixed(2);
  return amount.toFixed(Math.min(MOST_DECIMALS, 1 - Math.floor(Math.log10(amount))));
}
