import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { quoted, sqlName } from "../database/identifier.ts";
import { SetupError } from "../errors.ts";
import type { Found } from "./found.ts";
import { markTrigger } from "./trigger-mark.ts";

/** The constraint by which a table of vectors of pg_vectorize follows a changed key; it is dropped when it is given back. */
export const FOLLOWS_KEY = "pg_autoembed_follows_key";

/**
 * Switches off what the other tool does for the table. Part of the transaction that watches it, which holds the table's
 * lock: whoever wrote before has told the other tool, and whoever writes after tells us.
 */
export async function switchOff(transaction: Database, found: Found, source: string): Promise<void> {
  const { tool, triggers, triggersGoOn = false, workers } = found;
  for (const trigger of triggers) {
    await markTrigger(transaction, trigger, {
      source,
      tool,
      fires: trigger.fires,
      ...(workers.vectorizer === undefined ? {} : { vectorizer: workers.vectorizer }),
    });
    if (triggersGoOn || trigger.fires === "D") continue;
    const { schema, table } = trigger.table;
    await sql`alter table ${sql.id(schema, table)} disable trigger ${sql.id(trigger.name)}`.execute(
      transaction,
    );
  }
  if (workers.vectorizer !== undefined)
    await sql`update ai.vectorizer set disabled = true where id = ${workers.vectorizer}`.execute(transaction);
  for (const job of workers.cronJobs ?? [])
    await sql`select cron.alter_job(job_id => ${job}, active => false)`.execute(transaction);
}

/**
 * The messages are archived and not deleted. They are of rows that were queued just before.
 * @throws {SetupError} if a worker has read one and not answered yet: it could overwrite a newer vector of ours
 */
export async function archiveMessages(transaction: Database, { tool, workers }: Found): Promise<void> {
  if (workers.messages === undefined) return;
  const { queue, isOurs } = workers.messages;
  const { rows } = await sql<{ id: string; hidden_seconds: number }>`
    select m.msg_id::text as id, ceil(extract(epoch from m.vt - clock_timestamp()))::int as hidden_seconds
    from pgmq.${sql.id(`q_${queue}`)} m where ${isOurs} for update`.execute(transaction);
  const hidden = rows.map((row) => row.hidden_seconds).filter((seconds) => seconds > 0);
  if (hidden.length > 0) {
    throw new SetupError(
      `A worker of ${tool} is embedding ${hidden.length} rows of this table (queue ${queue}), and could overwrite newer vectors. Nothing was changed.`,
      `Stop the worker, wait ${Math.max(...hidden)} seconds, and run this again.`,
    );
  }
  await sql`select pgmq.archive(${queue}::text, ${rows.map(({ id }) => id)}::bigint[])`.execute(transaction);
}

/** A table of vectors has to follow a changed key, as those that `watch` makes do. Rows that are there are not read yet. */
export async function makeFollow(
  transaction: Database,
  { kept, table }: Found,
  key: readonly string[],
): Promise<void> {
  if (kept.as !== "table") return;
  const columns = sql.join(key.map((column) => sql.id(column)));
  await sql`alter table ${sql.id(kept.from.schema, kept.from.table)} drop constraint if exists ${sql.id(FOLLOWS_KEY)}, add constraint ${sql.id(FOLLOWS_KEY)}
    foreign key (${columns}) references ${sql.id(table.schema, table.table)} (${columns})
    on delete cascade on update cascade not valid`.execute(transaction);
}

/** Reads the rows of `makeFollow`, which takes long on a large table. Nobody who writes waits for it. */
export async function validateFollow(db: Database, { kept, table }: Found): Promise<void> {
  if (kept.as !== "table") return;
  const validate = sql`alter table ${sql.id(kept.from.schema, kept.from.table)} validate constraint ${sql.id(FOLLOWS_KEY)}`;
  try {
    await validate.execute(db);
  } catch (error) {
    throw new SetupError(
      `The table is taken over, but the constraint ${FOLLOWS_KEY} of ${sqlName(kept.from)} could not be validated: has it rows that ${sqlName(table)} has not?`,
      `Delete them, then: alter table ${quoted(kept.from)} validate constraint ${FOLLOWS_KEY}`,
      { cause: error },
    );
  }
}
