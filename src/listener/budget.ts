import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "../database/connect.ts";
import type { Events } from "../events.ts";
import { spentToday } from "../ledger/spending.ts";
import type { BudgetSetting } from "../setting-types.ts";

const POLL_MS = 500;

export interface BudgetConfig {
  readonly EMBED_DAILY_BUDGET?: BudgetSetting | undefined;
  readonly EMBED_DAILY_TOKEN_BUDGET?: number | undefined;
}

interface Limit extends BudgetSetting {
  /** The setting that it is of. */
  readonly name: keyof BudgetConfig;
}

/**
 * What may be spent in a day (`EMBED_DAILY_BUDGET`, `EMBED_DAILY_TOKEN_BUDGET`), by all listeners of a database together
 * and by searches. What the requests in flight cost is known when they are answered, and what other listeners have spent
 * about a second later: the budget may be overrun by as much.
 */
export class Budget {
  readonly #limits: readonly Limit[];
  readonly #events: Events;
  /** Spent today, as `embedding_spending` had it when it was last read. */
  #recorded = { tokens: 0, money: 0 };
  /** Spent by this process since then. */
  #unrecorded = { tokens: 0, money: 0 };
  #isReported = false;

  constructor(config: BudgetConfig, events: Events) {
    this.#limits = limitsOf(config);
    this.#events = events;
    events.on("answered", ({ tokens, cost }) => {
      this.#unrecorded.tokens += tokens;
      this.#unrecorded.money += cost ?? 0;
    });
  }

  /** Why nothing is embedded until tomorrow; undefined while there is room. */
  get exhausted(): string | undefined {
    return this.exhaustedWith(0, 0);
  }

  /** The same, were these spent as well. */
  exhaustedWith(tokens: number, money: number): string | undefined {
    const further = { tokens, money };
    for (const { unit, amount, name } of this.#limits) {
      const spent = this.#recorded[unit] + this.#unrecorded[unit] + further[unit];
      if (spent < amount) continue;
      const [all, used] =
        unit === "tokens"
          ? [`${amount} tokens are`, `${spent} spent`]
          : [`budget of ${amount} is`, `${spent.toFixed(4)} spent`];
      return `the day's ${all} used up (${used}): embedding goes on at 00:00 UTC, or when ${name} is raised`;
    }
    return undefined;
  }

  /**
   * Reads what was spent today.
   * @param write writes what this process has spent. What is spent during the call may be counted twice until the next
   * call; it is never missed.
   */
  async refresh(db: Database, write?: () => Promise<void>): Promise<void> {
    const counted = { ...this.#unrecorded };
    await write?.();
    if (this.#limits.length === 0) return;
    const { tokens, cost } = await spentToday(db);
    this.#recorded = { tokens, money: cost };
    this.#unrecorded.tokens -= counted.tokens;
    this.#unrecorded.money -= counted.money;
    if (this.#isReported && this.exhausted === undefined) {
      this.#isReported = false;
      this.#events.emit("source_recovered", { source: undefined });
    }
  }

  /** Resolves when there is room. Rejects when aborted. */
  async room(signal: AbortSignal): Promise<void> {
    for (let problem = this.exhausted; problem !== undefined; problem = this.exhausted) {
      if (!this.#isReported) this.#events.emit("source_failing", { source: undefined, problem });
      this.#isReported = true;
      await delay(POLL_MS, undefined, { signal });
    }
  }
}

export function hasBudget(config: BudgetConfig): boolean {
  return limitsOf(config).length > 0;
}

/** What a day may cost, by these settings. */
export function dailyBudgets(config: BudgetConfig): BudgetSetting[] {
  return limitsOf(config).map(({ unit, amount }) => ({ unit, amount }));
}

function limitsOf({ EMBED_DAILY_BUDGET: budget, EMBED_DAILY_TOKEN_BUDGET: tokens }: BudgetConfig): Limit[] {
  return [
    ...(budget === undefined ? [] : [{ ...budget, name: "EMBED_DAILY_BUDGET" as const }]),
    ...(tokens === undefined
      ? []
      : [{ unit: "tokens" as const, amount: tokens, name: "EMBED_DAILY_TOKEN_BUDGET" as const }]),
  ];
}
