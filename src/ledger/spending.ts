import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isDatabaseError } from "../database/database-fault.ts";
import type { Purpose } from "../events.ts";

/** What was paid for one purpose of one source. */
export interface Spent {
  /** The source's name. */
  readonly source: string;
  /** The backend and the model. */
  readonly model: string;
  readonly purpose: Purpose;
  readonly requests: number;
  readonly tokens: number;
  /** Undefined where the price is not known. */
  readonly cost: number | undefined;
}

/** Adds it to the day (UTC); and of a backfill to what that has cost, where it may not cost more than some amount. */
export async function addSpent(db: Database, spent: Spent): Promise<void> {
  const { source, model, purpose, requests, tokens, cost } = spent;
  const isBackfills = purpose === "backfill" || purpose === "model change";
  await sql`
    with limited as (
      update autoembed.embedding_backfill b set spent = b.spent + ${cost ?? 0}::float8
      from autoembed.embedding_source s
      where ${isBackfills} and s.name = ${source} and b.source_id = s.id and b.spends_at_most is not null
    )
    insert into autoembed.embedding_spending as s (source_id, model, purpose, requests, tokens, unpriced_tokens, cost)
    select id, ${model}, ${purpose}, ${requests}::bigint, ${tokens}::bigint, ${cost === undefined ? tokens : 0}::bigint,
      ${cost ?? 0}::float8
    from autoembed.embedding_source where name = ${source}
    on conflict (day, source_id, model, purpose) do update set requests = s.requests + excluded.requests,
      tokens = s.tokens + excluded.tokens, unpriced_tokens = s.unpriced_tokens + excluded.unpriced_tokens,
      cost = s.cost + excluded.cost`.execute(db);
}

/** The same for who may only read, or finds the disk full: the answer that was paid for is not lost for that. */
export async function addSpentIfPossible(db: Database, spent: Spent): Promise<void> {
  try {
    await addSpent(db, spent);
  } catch (error) {
    if (!isDatabaseError(error)) throw error;
  }
}

/** What a day has cost, over all listeners and searches. */
export interface SpentToday {
  readonly tokens: number;
  /** In the currency of the prices. */
  readonly cost: number;
  /** Tokens whose price was not known: they are not in `cost`. */
  readonly unpriced_tokens: number;
  readonly by_purpose: Readonly<Partial<Record<Purpose, { readonly tokens: number; readonly cost: number }>>>;
}

export async function spentToday(db: Database): Promise<SpentToday> {
  const { rows } = await sql<{ purpose: Purpose; tokens: number; cost: number; unpriced: number }>`
    select purpose, sum(tokens)::float8 as tokens, sum(cost) as cost, sum(unpriced_tokens)::float8 as unpriced
    from autoembed.embedding_spending where day = (now() at time zone 'utc')::date group by purpose order by purpose`.execute(
    db,
  );
  const sum = (of: "tokens" | "cost" | "unpriced"): number => rows.reduce((total, row) => total + row[of], 0);
  return {
    tokens: sum("tokens"),
    cost: sum("cost"),
    unpriced_tokens: sum("unpriced"),
    by_purpose: Object.fromEntries(rows.map(({ purpose, tokens, cost }) => [purpose, { tokens, cost }])),
  };
}
