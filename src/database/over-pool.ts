import { Kysely, PostgresDialect } from "kysely";
import type pg from "pg";
import type { Database } from "./connect.ts";
import type { DB } from "./schema.ts";

/** Statements over a pool of somebody else's, whose sessions are not pinned. It is not closed with the database. */
export function overPool(pool: pg.Pool): Database {
  const shared = { connect: () => pool.connect(), end: () => Promise.resolve() };
  return new Kysely<DB>({ dialect: new PostgresDialect({ pool: shared }) });
}
