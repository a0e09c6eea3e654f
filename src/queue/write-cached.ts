import { sql, type RawBuilder } from "kysely";
import { numbersParameter, ctidsParameter, textsParameter } from "../database/array-parameter.ts";
import type { Database } from "../database/connect.ts";
import { databaseFault, mayBeCommitted } from "../database/database-fault.ts";
import { isCached, lenders, lentVector, NO_HASH } from "../ledger/ledger-sql.ts";
import type { Lending } from "../ledger/lending.ts";
import type { Source } from "../sources/source.ts";
import { preparedPerSource, type PreparedPerSource } from "./prepared-per-source.ts";
import { restorePlannerSettings } from "../database/kept-plan.ts";
import { forEachKind, heldRows, lockHeld, type ClaimKind, type HeldRow } from "./held-rows.ts";
import { dequeueWritten, writeVectorCtes, writableCte, type Outcome } from "./vector-ctes.ts";
import { isUnchanged, keysOf, queueKey, textHash, vectorType } from "../sources/source-sql.ts";

export interface Cached {
  readonly rows: readonly HeldRow[];
  readonly lending: Lending;
}

/**
 * Writes the vectors that other rows or the cache have for the rows' current texts, inside Postgres: no vector passes
 * through Node. Rows whose text has none there stay claimed. Locks as `writeBack` does.
 * @returns the rows that were not locked and whose text has a vector.
 */
export async function writeCached(db: Database, source: Source, cached: Cached): Promise<Outcome[]> {
  const { lending } = cached;
  const { id, lenderIds, cacheNames } = lending.model;
  const outcomes: Outcome[] = [];
  const left = new Map(cached.rows.map((row) => [row.ticket, row]));
  const write = async (statements: Statements, wanted: string): Promise<void> => {
    for (const { ticket } of outcomes) left.delete(ticket);
    const written = await forEachKind([...left.values()], async (kind, rows) =>
      statements[kind](db, source, [
        numbersParameter(rows.map(({ ticket }) => ticket)),
        ctidsParameter(rows.map(({ ctid }) => ctid)),
        id,
        wanted,
        textsParameter(rows.map(({ key }) => key)),
      ]),
    );
    outcomes.push(...written);
  };
  const ids = numbersParameter(lenderIds);
  const [own, ...others] = lending.sources();
  if (own !== undefined) await write(fromRowsOf(own), ids);
  await write(fromCache, textsParameter(cacheNames));
  for (const lender of others) await write(fromRowsOf(lender), ids).catch(ignoreLendersFault);
  return outcomes;
}

/** Another source's table may be locked or altered: that is no fault of these rows, which are tried again. */
function ignoreLendersFault(error: unknown): void {
  if (databaseFault(error) === "row" || mayBeCommitted(error)) throw error;
}

type Statements = Readonly<Record<ClaimKind, PreparedPerSource<Outcome>>>;

/** Where vectors come from. Its `$4` is which models lend: ids where rows do, names where the cache does. */
interface Lender {
  /** Whether it may have a vector for the text: a row for which it has none is not locked. */
  readonly knows: (textHash: RawBuilder<unknown>) => RawBuilder<unknown>;
  /** A subquery with the `vector` of a text, and its `vector_hash`; of one row at most. */
  readonly vectorOf: (textHash: RawBuilder<unknown>, taker: Source) => RawBuilder<unknown>;
}

function statementsOf(lender: Lender): Statements {
  const statement = (kind: ClaimKind): PreparedPerSource<Outcome> =>
    preparedPerSource((source) => lend(source, kind, lender));
  return { queued: statement("queued"), paged: statement("paged") };
}

const byLender = new WeakMap<Source, Statements>();

/** Each vector is fetched and checked once per row that gets it. */
function fromRowsOf(lender: Source): Statements {
  const known = byLender.get(lender);
  if (known !== undefined) return known;
  const ids = sql`$4::int[]`;
  const statements = statementsOf({
    knows: (hash) =>
      sql`exists (select from ${lenders(hash, ids, sql`array[${sql.lit(lender.id)}]`)} offset 0)`,
    vectorOf: (hash, taker) => lentVector(lender, taker, hash, ids),
  });
  byLender.set(lender, statements);
  return statements;
}

/** The cache is read by key, one row at a time: joined, it may be read whole, vectors included, for one batch. */
const fromCache = statementsOf({
  knows: (hash) => isCached(hash, sql`$4::text[]`),
  vectorOf: (hash) => sql`(
      select e.embedding as vector, ${NO_HASH} as vector_hash from autoembed.embedding_cache e
      where e.model = any($4::text[]) and e.text_hash = ${hash} limit 1 offset 0
    )`,
});

/**
 * A row may change between the snapshot of the statement and its lock: its text is that which it has under the lock.
 * Vectors are joined only afterwards: whatever is joined with a row that is locked is copied whole, and kept.
 */
function lend(source: Source, kind: ClaimKind, lender: Lender): RawBuilder<unknown> {
  return sql`
    with locked as materialized (
      select c.ticket, c.ctid, ${queueKey(source, "t")} as key, ${textHash("t")} as text_hash, ${keysOf(source, "t")}
      from ${heldRows(source, kind, sql`unnest($1::bigint[], $2::tid[], $5::text[]) as c(ticket, ctid, key)`)}
      where ${isUnchanged(source)} and ${restorePlannerSettings} and ${lender.knows(textHash("t"))}
      ${lockHeld(kind)}
    ), held as materialized (
      select r.*, e.vector as lent, e.vector_hash as lent_hash
      from locked r cross join lateral ${lender.vectorOf(sql`r.text_hash`, source)} e
    )${writableCte(source)}${writeVectorCtes(source, kind, {
      vector: sql`h.lent::${vectorType(source)}`,
      hash: source.vectorTable === null ? sql`h.lent_hash` : undefined,
      modelId: sql`$3::int`,
    })}${dequeueWritten(source)}`;
}
