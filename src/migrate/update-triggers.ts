import pg, { type ClientBase } from "pg";
import { unhurried } from "../timing/unhurried.ts";
import { lockedTransaction } from "./locked-transaction.ts";

/**
 * Makes the triggers of every source what this version's are, source by source, so that no user waits for more than
 * one. A source whose table or columns are gone is left as it is: what is wrong with it is its own.
 */
export async function updateTriggers(
  client: ClientBase,
  onMessage: (message: string) => void,
): Promise<void> {
  const { rows } = await unhurried(client, () =>
    client.query<{ id: number; name: string }>(`
    select s.id, s.name from autoembed.embedding_source s
    join pg_catalog.pg_class c on c.oid = s.watched_table order by s.id`),
  );
  for (const { id, name } of rows) {
    try {
      const outdated = await lockedTransaction(client, () => updateTriggersOf(client, id));
      if (outdated.length > 0) onMessage(`${name}: ${outdated.join(", ")} brought up to date`);
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error;
      onMessage(`${name}: its triggers could not be brought up to date: ${error.message}. Watch it again.`);
    }
  }
}

async function updateTriggersOf(client: ClientBase, id: number): Promise<readonly string[]> {
  // Asked first: a listener's role may ask, and may replace nothing.
  const outdated = await ofSource(client, "outdated_triggers", id);
  return outdated.length === 0 ? [] : await ofSource(client, "update_triggers", id);
}

async function ofSource(
  client: ClientBase,
  called: "outdated_triggers" | "update_triggers",
  id: number,
): Promise<readonly string[]> {
  const { rows } = await client.query<{ names: string[] }>(
    `select autoembed.${called}(s) as names from autoembed.embedding_source s where s.id = $1`,
    [id],
  );
  return rows[0]?.names ?? [];
}
