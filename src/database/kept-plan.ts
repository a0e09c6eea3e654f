import { sql } from "kysely";

/*
 * The statements of a batch are planned once a session (`connect`, `plans: "kept"`). Planned with its values each time, a
 * write-back has Postgres copy the vectors, a megabyte, at every step of planning, which is a quarter of its time; and a
 * lone change waits 1.7 ms for the plans of its claim and its write-back.
 *
 * A plan that is kept must be good whatever the size of the tables when it was made and later: one that was chosen for an
 * empty table may read the whole of a full one. So nothing is left to choose. No table is read but by an index or by `ctid`,
 * and each condition can be looked up in one index, or in none:
 * - the queue is walked by ticket, and its rows are found by their `ctid` from there on (`claimedRows`);
 * - a user's row is found by its key (`isKey`), where every index that has it begins with it (`Source.hasSingleKeyLookup`), and never from an
 *   index alone, which could be read whole: its `ctid` is asked for;
 * - the cache, and what is only asked about, is looked into by a sub-select of its own for each row (`offset 0`).
 */

/** Settings under which nothing else can be planned. */
export const PLANNING = {
  plan_cache_mode: "force_generic_plan",
  enable_seqscan: "off",
  enable_bitmapscan: "off",
  enable_sort: "off",
  // What is switched off and cannot be done without, a sort, looks dear enough to be compiled.
  jit: "off",
} as const;

/** Postgres's own, for what is planned while such a statement runs: the user's triggers, and functions in a text expression. */
const CHOOSING: Readonly<Partial<Record<keyof typeof PLANNING, string>>> = {
  plan_cache_mode: "auto",
  enable_seqscan: "on",
  enable_bitmapscan: "on",
  enable_sort: "on",
};

/** True. To be evaluated before user code runs: from then on, until the transaction ends, Postgres chooses. */
export const restorePlannerSettings = sql`(select num_nonnulls(${sql.join(
  Object.entries(CHOOSING).map(([name, value]) => sql`set_config(${sql.lit(name)}, ${sql.lit(value)}, true)`),
)}) > 0)`;
