import { sql } from "kysely";
import type { Database } from "./connect.ts";
import { describeDatabaseError, isOutOfConnections, isReadOnly } from "./database-fault.ts";

/** The database answers, and a listener cannot work with it now. The message says why. */
export class NotReady extends Error {
  override readonly name = "NotReady";
}

/**
 * Looks whether the database takes writes: after a failover the old primary may answer as a standby. Where it does not,
 * the statement fails as a write would, so that the pool drops the connection: the next one may lead to the new primary.
 * @throws {NotReady} where nothing can be claimed or written
 */
export async function requireWritable(db: Database): Promise<void> {
  try {
    await sql`do $$ begin
      if current_setting('transaction_read_only')::bool then
        raise exception using errcode = 'read_only_sql_transaction', message = 'read-only';
      end if;
    end $$`.execute(db);
    await sql`select from autoembed.embedding_source limit 1`.execute(db);
  } catch (error) {
    if (!isOutOfConnections(error) && !isReadOnly(error)) throw error;
    throw new NotReady(describeDatabaseError(error), { cause: error });
  }
}
