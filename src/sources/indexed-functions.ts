import { sql } from "kysely";
import { isDatabaseError, isOfEveryTable } from "../database/database-fault.ts";
import type { Database } from "../database/connect.ts";
import { tableOf, vectorTableOf } from "./source-sql.ts";
import type { Source } from "./source.ts";
import { INSUFFICIENT_PRIVILEGE } from "../sqlstate.ts";

/** An index with functions of the user's that are no compiled code. */
export interface FunctionIndex {
  readonly index: string;
  readonly oid: number;
  readonly isOnVectors: boolean;
  readonly functions: string;
}

/** Of the tables `c` and `vc`; null where there is none, as with most tables. */
export const functionIndexes = sql`(
        select jsonb_agg(jsonb_build_object('index', i.indexrelid::regclass::text, 'oid', i.indexrelid::int8,
            'isOnVectors', i.indrelid is not distinct from vc.oid, 'functions', f.functions))
        from pg_index i cross join lateral (
          select string_agg(distinct p.oid::regprocedure::text, ', ') as functions
          from pg_depend d join pg_proc p on p.oid = d.refobjid join pg_language l on l.oid = p.prolang
          where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid and d.refclassid = 'pg_proc'::regclass
            and l.lanname not in ('internal', 'c')) f
        where i.indrelid in (c.oid, vc.oid) and f.functions is not null)`;

/**
 * The first index that Postgres cannot plan with under our search path: for every statement over a table it takes the expressions of the
 * indexes apart, and the body of an SQL function too. What a session planned before, it may remember: so the expression itself is planned.
 */
export async function unplannedIndex(
  db: Database,
  source: Source,
  indexes: readonly FunctionIndex[],
): Promise<FunctionIndex | undefined> {
  for (const index of indexes) {
    const table = index.isOnVectors ? vectorTableOf(source) : tableOf(source);
    try {
      const expressions = await expressionsOf(db, index);
      if (expressions !== undefined)
        await sql`explain select ${sql.raw(expressions)} from ${table}`.execute(db);
    } catch (error) {
      if (!isDatabaseError(error) || isOfEveryTable(error) || db.isTransaction) throw error;
      // A role that may not read a column, or call the function, plans its own statements all the same. What is no fault of
      // the SQL, as a lock of a user's `alter table`, tells nothing of the index.
      if (error.code.startsWith("42") && error.code !== INSUFFICIENT_PRIVILEGE) return index;
    }
  }
  return undefined;
}

/**
 * What it is on, and its condition; undefined where it was dropped. Postgres locks the table to write them, so that they are
 * not read with all sources.
 */
async function expressionsOf(db: Database, { oid }: FunctionIndex): Promise<string | undefined> {
  const { rows } = await sql<{ expressions: string }>`
    select concat_ws(', ', pg_get_expr(indexprs, indrelid), pg_get_expr(indpred, indrelid)) as expressions
    from pg_index where indexrelid = ${oid}::oid`.execute(db);
  return rows[0]?.expressions;
}
