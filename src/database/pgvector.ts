import { sql, type RawBuilder } from "kysely";
import type { Database } from "./connect.ts";

/*
 * pgvector may be in any schema (`extensions` on Supabase), and our sessions look for nothing outside pg_catalog: its types
 * and operators are named with their schema everywhere. This is the one place that knows how.
 */

/** The most that a column takes, `vector` or `halfvec`: https://github.com/pgvector/pgvector#vector-type */
export const MOST_DIMENSIONS = 16_000;

export interface Pgvector {
  readonly schema: string;
  /** The OID that this database gave to `vector`: binary parameters name it. */
  readonly vectorOid: number;
}

/** @throws {Error} where the extension is not installed: a database that was migrated has it. */
export async function findPgvector(db: Database): Promise<Pgvector> {
  const { rows } = await sql<Pgvector>`
    select n.nspname as schema, t.oid::int8::float8 as "vectorOid"
    from pg_catalog.pg_extension e
    join pg_catalog.pg_namespace n on n.oid = e.extnamespace
    join pg_catalog.pg_type t on t.typnamespace = n.oid and t.typname = 'vector'
    where e.extname = 'vector'`.execute(db);
  const [found] = rows;
  if (found === undefined) throw new Error("the database has no pgvector any more");
  return found;
}

/** `vector`, `halfvec` or an operator class of theirs. */
export function vectorName(schema: string, name: string): RawBuilder<unknown> {
  return sql.id(schema, name);
}

/** An operator on vectors: the cosine distance, whether two are equal, or how many of their bits differ. */
export function vectorOperator(schema: string, operator: "<=>" | "<~>" | "=" | "<>"): RawBuilder<unknown> {
  return sql`operator(${sql.id(schema)}.${sql.raw(operator)})`;
}
