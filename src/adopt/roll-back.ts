import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { withTableLock } from "../database/with-table-lock.ts";
import { SetupError, UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { pendingRows } from "../queue/counts.ts";
import { requireSource } from "../sources/unknown-source.ts";
import { explainRefusal } from "../watch/explain-refusal.ts";
import { FOLLOWS_KEY } from "./switch-off.ts";
import { markedTriggers, unmarkTrigger, type MarkedTrigger } from "./trigger-mark.ts";

/** What is given back to the other tool. */
export interface GivenBack {
  readonly source: string;
  /** Triggers that fire again. */
  readonly triggers: readonly string[];
  /** `cron.job.jobid` of jobs that run again. */
  readonly cronJobs: readonly number[];
  /** Rows whose vector was pending: nobody embeds them now. Not of a tool that has noted them itself. */
  readonly pending: number;
  /** Our table of vectors, which stays; null where they are in the other tool's place. */
  readonly leftTable: string | null;
}

interface Watched {
  readonly id: number;
  /** Its oid. */
  readonly watched_table: string;
  readonly schema: string;
  readonly table: string;
  readonly vector_table: string | null;
  /** The job of pg_vectorize whose table or column has the vectors, by its name. */
  readonly job: string | null;
  readonly follows_key: boolean;
}

/**
 * Switches the other tool's triggers on again as they were, and unwatches the source, in one transaction. Vectors and
 * texts stay as they are.
 * @throws {SetupError} if rows are pending, unless forced; {UsageError} if the source was not adopted
 */
export async function rollBack(
  db: Database,
  source: string,
  force: boolean,
  signal: AbortSignal,
): Promise<GivenBack> {
  const watched = await findWatched(db, source);
  const triggers = await markedTriggers(db, source, watched?.watched_table ?? null);
  const cronJobs = await stoppedJobs(db, watched?.job ?? null);
  if (triggers.length === 0 && cronJobs.length === 0 && watched?.follows_key !== true) {
    await requireSource(db, source);
    throw new UsageError(
      `Nothing of another tool was switched off for ${source}.`,
      `To stop watching it: ${invocation("unwatch", [source])}`,
    );
  }
  try {
    const pending = await withTableLock(
      db,
      (transaction) => switchOn(transaction, { source, watched, triggers, cronJobs, force }),
      signal,
    );
    return {
      source,
      triggers: triggers.map(({ name }) => name),
      cronJobs,
      pending,
      leftTable: watched?.follows_key === true ? null : (watched?.vector_table ?? null),
    };
  } catch (error) {
    throw explainRefusal(error, "roll back");
  }
}

interface Steps {
  readonly source: string;
  readonly watched: Watched | undefined;
  readonly triggers: readonly MarkedTrigger[];
  readonly cronJobs: readonly number[];
  readonly force: boolean;
}

/** @returns the rows that were pending */
async function switchOn(
  transaction: Database,
  { source, watched, triggers, cronJobs, force }: Steps,
): Promise<number> {
  if (watched !== undefined) {
    await sql`lock table ${sql.id(watched.schema, watched.table)} in share row exclusive mode`.execute(
      transaction,
    );
  }
  // pgai has gone on noting which rows change, where the vectors did not stay in its place.
  const notes = triggers.some(({ tool }) => tool === "pgai") && (watched?.vector_table ?? null) !== null;
  const pending = watched === undefined || notes ? 0 : await pendingRows(transaction, [watched]);
  if (pending > 0 && !force) {
    throw new SetupError(
      `${pending} rows of ${source} wait for their vectors, which nobody would make after this. Nothing was changed.`,
      `Embed them first: ${invocation("drain")}. Or give --force: they keep the vectors that they have.`,
    );
  }
  if (watched !== undefined) await sql`select autoembed.unwatch(${source})`.execute(transaction);
  for (const trigger of triggers) await fireAgain(transaction, trigger);
  for (const job of cronJobs)
    await sql`select cron.alter_job(job_id => ${job}, active => true)`.execute(transaction);
  if (watched?.follows_key === true && watched.vector_table !== null)
    await sql`alter table ${sql.raw(watched.vector_table)} drop constraint ${sql.id(FOLLOWS_KEY)}`.execute(
      transaction,
    );
  return pending;
}

/** `pg_trigger.tgenabled` as `alter table` says it; one that was off before stays off. */
const FIRES: Readonly<Record<string, string>> = { O: "enable", A: "enable always", R: "enable replica" };

async function fireAgain(transaction: Database, trigger: MarkedTrigger): Promise<void> {
  const { table, name, fires } = trigger;
  const enable = FIRES[fires];
  if (enable !== undefined) {
    await sql`alter table ${sql.id(table.schema, table.table)} ${sql.raw(enable)} trigger ${sql.id(name)}`.execute(
      transaction,
    );
  }
  // Only a vectorizer of this very table: a comment can be edited.
  if (trigger.vectorizer !== undefined) {
    await sql`
      update ai.vectorizer set disabled = false
      where id = ${trigger.vectorizer} and source_schema = ${table.schema} and source_table = ${table.table}`.execute(
      transaction,
    );
  }
  await unmarkTrigger(transaction, trigger);
}

/** Undefined if it is watched no more. */
async function findWatched(db: Database, source: string): Promise<Watched | undefined> {
  const { rows } = await sql<Watched>`
    select s.id, c.oid::text as watched_table, n.nspname as schema, c.relname as table, s.vector_table::regclass::text as vector_table,
      case when v.relname like ${"\\_embeddings\\_%"} then substr(v.relname, length('_embeddings_') + 1)
        when v.oid is null and s.vector_column like ${"%\\_embeddings"} then regexp_replace(s.vector_column, '_embeddings$', '')
      end as job,
      exists (select from pg_constraint f where f.conrelid = v.oid and f.conname = ${FOLLOWS_KEY}) as follows_key
    from autoembed.embedding_source s
    join pg_class c on c.oid = s.watched_table join pg_namespace n on n.oid = c.relnamespace
    left join pg_class v on v.oid = s.vector_table
    where s.name = ${source}`.execute(db);
  return rows[0];
}

async function stoppedJobs(db: Database, job: string | null): Promise<number[]> {
  if (job === null) return [];
  const { rows: found } = await sql<{
    there: boolean;
  }>`select to_regclass('cron.job') is not null as there`.execute(db);
  if (found[0]?.there !== true) return [];
  const { rows } = await sql<{ id: number }>`
    select jobid::int as id from cron.job
    where not active and strpos(command, ${`vectorize.job_execute('${job}')`}) > 0 order by jobid`.execute(
    db,
  );
  return rows.map(({ id }) => id);
}
