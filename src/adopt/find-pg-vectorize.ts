import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { quote, quoted } from "../database/identifier.ts";
import { findTable, type FoundTable } from "../watch/find-table.ts";
import { chooseOne } from "./choose-one.ts";
import { columnsOf, hasTable, triggersOf } from "./foreign-triggers.ts";
import type { Found, Hints, Kept } from "./found.ts";

const QUEUE = "vectorize_jobs";

/** A job, whichever version of pg_vectorize has written it. */
interface Job {
  readonly name: string;
  readonly schema: string;
  /** The name of the table, or its oid. */
  readonly table: string;
  readonly columns: readonly string[];
  readonly key: string;
  readonly updated: string | null;
  readonly model: string | null;
}

/** A job of pg_vectorize, the extension or the server: https://github.com/ChuckHend/pg_vectorize, `vectorize.job`. */
export async function findPgVectorize(db: Database, hints: Hints): Promise<Found> {
  const job = chooseOne(await readJobs(db), hints.name, "pg_vectorize", "job of pg_vectorize");
  const table = await tableOf(db, job);
  const kept = await keptBy(db, job, table);
  const messages = {
    queue: QUEUE,
    isOurs: sql<boolean>`m.message ->> 'job_name' = ${job.name}`,
  };
  const hasQueue = await hasTable(db, `pgmq.q_${QUEUE}`);
  const cronJobs = await cronJobsOf(db, job);
  return {
    tool: "pg_vectorize",
    name: job.name,
    table,
    text: hints.text ?? textOf(job),
    key: hints.key ?? [job.key],
    kept,
    model: job.model,
    triggers: await triggersOf(db, table, sql`p.proname = ${`handle_update_${job.name}`}`),
    workers: { cronJobs, ...(hasQueue ? { messages } : {}) },
    outdated: [...(hasQueue ? [queued(messages.isOurs)] : []), ...(await changed(db, job, table, kept))],
    notes: [],
  };
}

async function readJobs(db: Database): Promise<Job[]> {
  if (!(await hasTable(db, "vectorize.job"))) return [];
  const isServer = (await columnsOf(db, "vectorize.job")).includes("job_name");
  const { rows } = isServer
    ? await sql<Job>`
        select j.job_name as name, j.src_schema as schema, j.src_table as table, j.src_columns as columns,
          j.primary_key as key, to_jsonb(j) ->> 'update_time_col' as updated, to_jsonb(j) ->> 'model' as model
        from vectorize.job j order by j.job_name`.execute(db)
    : await sql<Job>`
        select j.name, j.params ->> 'schema' as schema, coalesce(j.params ->> 'table_name', j.params ->> 'table') as table,
          array(select jsonb_array_elements_text(j.params -> 'columns')) as columns, j.params ->> 'primary_key' as key,
          j.params ->> 'update_time_col' as updated, to_jsonb(j) ->> 'transformer' as model
        from vectorize.job j order by j.name`.execute(db);
  return rows;
}

/** Newer versions name the table by its oid. */
async function tableOf(db: Database, { schema, table }: Job): Promise<FoundTable> {
  if (!/^\d+$/.test(table)) return await findTable(db, quoted({ schema, table }));
  const { rows } = await sql<FoundTable>`
    select c.oid::text, n.nspname as schema, c.relname as table
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = ${table}::oid`.execute(db);
  return rows[0] ?? (await findTable(db, quoted({ schema, table })));
}

/** A column of the table (`append`), or a table with the same key (`join`). */
async function keptBy(db: Database, { name }: Job, table: FoundTable): Promise<Kept> {
  const column = `${name}_embeddings`;
  if ((await columnsOf(db, quoted(table))).includes(column)) return { as: "column", column };
  const from = await findTable(db, quoted({ schema: "vectorize", table: `_embeddings_${name}` }));
  return { as: "table", from, column: "embeddings" };
}

/** Its columns, with a space between them, as its triggers send them. */
function textOf({ columns }: Job): string {
  const [only, ...more] = columns;
  return only !== undefined && more.length === 0 ? only : `concat_ws(' ', ${columns.map(quote).join(", ")})`;
}

/** The rows of waiting messages: `record_ids`, or `inputs` that each have a `record_id`. */
function queued(isOurs: RawBuilder<boolean>): RawBuilder<unknown> {
  return sql`
    select i.key from pgmq.${sql.id(`q_${QUEUE}`)} m cross join lateral (
      select jsonb_array_elements_text(m.message -> 'record_ids') as key
      where jsonb_typeof(m.message -> 'record_ids') = 'array'
      union all
      select x ->> 'record_id' from jsonb_array_elements(m.message -> 'inputs') x
      where jsonb_typeof(m.message -> 'inputs') = 'array') i
    where ${isOurs}`;
}

/**
 * Of a job that runs by the clock: the rows that changed since it embedded them. Jobs that run by a trigger name the column
 * too, and their tables need not have it.
 */
async function changed(
  db: Database,
  { name, key, updated }: Job,
  table: FoundTable,
  kept: Kept,
): Promise<RawBuilder<unknown>[]> {
  if (updated === null || !(await columnsOf(db, quoted(table))).includes(updated)) return [];
  const changedAt = sql`t.${sql.id(updated)}`;
  if (kept.as === "column")
    return [
      sql`select t.${sql.id(key)}::text as key from ${sql.id(table.schema, table.table)} t
        where ${isAfter(changedAt, sql`t.${sql.id(`${name}_updated_at`)}`)}`,
    ];
  return [
    sql`select t.${sql.id(key)}::text as key from ${sql.id(table.schema, table.table)} t
      join vectorize.${sql.id(`_embeddings_${name}`)} v on v.${sql.id(key)} = t.${sql.id(key)}
      where ${isAfter(changedAt, sql`v.updated_at`)}`,
  ];
}

/** Their time zone is the role's, and not the one that our sessions are pinned to: it matters where the first has none. */
function isAfter(changedAt: RawBuilder<unknown>, embeddedAt: RawBuilder<unknown>): RawBuilder<boolean> {
  const zone = sql`coalesce(nullif(current_setting('autoembed.timezone', true), ''), current_setting('timezone'))`;
  return sql`case when pg_typeof(${changedAt}) = 'timestamp'::regtype then ${changedAt} > ${embeddedAt} at time zone ${zone}
    else ${changedAt} > ${embeddedAt} end`;
}

async function cronJobsOf(db: Database, { name }: Job): Promise<number[]> {
  if (!(await hasTable(db, "cron.job"))) return [];
  const { rows } = await sql<{ id: number }>`
    select jobid::int as id from cron.job
    where active and strpos(command, ${`vectorize.job_execute('${name}')`}) > 0 order by jobid`.execute(db);
  return rows.map(({ id }) => id);
}
