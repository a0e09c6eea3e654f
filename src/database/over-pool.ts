import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from "kysely";
import type pg from "pg";
import type { Database } from "./connect.ts";
import { isUnanswered } from "./database-fault.ts";
import type { DB } from "./schema.ts";

/** Statements over a pool of somebody else's, whose sessions are not pinned. It is not closed with the database. */
export function overPool(pool: pg.Pool): Database {
  return new Kysely<DB>({ dialect: new PostgresDialect({ pool: sharedWith(pool) }) });
}

/**
 * What `pool.query` does for a client, and the dialect does not: the connection may be lost between two statements, which must not end the
 * process; and one whose statement has no reply by `query_timeout` is closed, since every later one on it would wait for that reply.
 */
function sharedWith(pool: pg.Pool): PostgresPool {
  return {
    connect: async () => {
      const client = await pool.connect();
      client.on("error", ignoreLost);
      let useless = false;
      const query = async (text: string, values: unknown[]): Promise<unknown> => {
        try {
          return await client.query(text, values);
        } catch (error) {
          useless ||= isUnanswered(error);
          throw error;
        }
      };
      const release = (): void => {
        client.off("error", ignoreLost);
        client.release(useless);
      };
      return { query, release } as PostgresPoolClient;
    },
    end: () => Promise.resolve(),
  };
}

/** The next statement on that client fails, and the pool drops it. */
function ignoreLost(): undefined {
  return undefined;
}
