import type { ClientBase } from "pg";

/**
 * A transaction that the role's `statement_timeout` does not end. It holds behind a pooler, and for nobody else there.
 * Postgres 17's `transaction_timeout` of the role does end it.
 */
const BEGIN_UNHURRIED = "begin; set local statement_timeout = 0";

/** Looks at the database by statements that the role's `statement_timeout` does not end. */
export async function unhurried<T>(client: ClientBase, look: () => Promise<T>): Promise<T> {
  await client.query(BEGIN_UNHURRIED);
  const result = await look();
  await client.query("commit");
  return result;
}
