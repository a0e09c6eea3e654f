import type { SpentToday } from "../ledger/spending.ts";
import type { BudgetSetting } from "../setting-types.ts";

const MOST_DECIMALS = 20;

interface Described extends SpentToday {
  readonly prices_listed_on: string | null;
}

/** What the day has cost, by which prices, and what it may cost; undefined if nothing was sent and there is no budget. */
export function describeSpent(
  spent: Described & { readonly budgets: readonly BudgetSetting[] },
): string | undefined {
  const budgets = spent.budgets.map(
    ({ unit, amount }) => `the day's budget: ${unit === "tokens" ? `${amount} tokens` : money(amount)}`,
  );
  if (spent.tokens === 0)
    return budgets.length === 0 ? undefined : ["spent today: nothing", ...budgets].join("; ");
  const purposes = Object.entries(spent.by_purpose).map(
    ([purpose, { tokens, cost }]) => `${purpose} ${tokens} tokens, ${money(cost)}`,
  );
  return [`spent today: ${money(spent.cost)} (${purposes.join("; ")})`, ...pricesOf(spent), ...budgets].join(
    "; ",
  );
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
