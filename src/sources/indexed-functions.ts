import { sql } from "kysely";
import { isDatabaseError } from "../database/database-fault.ts";
import type { Database } from "../database/connect.ts";
import { tableOf, vectorTableOf } from "./source-sql.ts";
import type { Source } from "./source.ts";

/** An index with functions of the user's that are no compiled code. */
export interface FunctionIndex {
  readonly index: string;
  readonly isOnVectors: boolean;
  /** What it is on, and its condition. */
  readonly expressions: string;
  readonly functions: string;
}

/** Of the tables `c` and `vc`; null where there is none, as with most tables. */
export const functionIndexes = sql`(
        select jsonb_agg(jsonb_build_object('index', i.indexrelid::regclass::text, 'isOnVectors', i.indrelid is not distinct from vc.oid,
            'expressions', concat_ws(', ', pg_get_expr(i.indexprs, i.indrelid), pg_get_expr(i.indpred, i.indrelid)), 'functions', f.functions))
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
      await sql`explain select ${sql.raw(index.expressions)} from ${table}`.execute(db);
    } catch (error) {
      if (!isDatabaseError(error) || !error.code.startsWith("42")) throw error;
      // A role that may not read a column, or call the function, plans its own statements all the same.
      if (error.code !== "42501") return index;
    }
  }
  return undefined;
}
