import { randomUUID } from "node:crypto";
import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { isDatabaseError } from "../database/database-fault.ts";
import { delayIsOver } from "../database/delay-is-over.ts";
import { storing } from "../database/storing.ts";
import type { Source } from "../sources/source.ts";
import { LostBatch, type Batch, type BatchChange } from "./batch.ts";

const COLUMNS = sql`b.id, b.tag, b.state, b.model_id, b.attempts, b.lines, b.characters::float8, b.lines_read, b.embedded, b.refused, b.input_file,
      b.provider_batch, b.output_file, b.error_file,
      (extract(epoch from now() - b.submitted_at) * 1000)::float8 as submitted_ms`;

/** The longest that a batch is left alone: after failures. */
export const LONGEST_RETRY_MS = 600_000;

/** Batches of a source that the provider has, beyond which no further one is made. */
const MOST_UNDER_WAY = 100;

/**
 * A batch `c` that is due, and that no other listener works on. One that this listener owns was left owned by a fault of the
 * database: it asks only where it does no step of the source.
 */
function isDue(owner: number): RawBuilder<boolean> {
  return sql`${delayIsOver("c.not_before", LONGEST_RETRY_MS)} and (c.owner is null or c.owner = ${owner}
        or not exists (select from autoembed.embedding_listener o where o.id = c.owner))`;
}

/** A backfill `f` has pages for a batch, none is being made, and none waits to be asked for again. */
const isWanting = sql`f.in_batches
      and (not f.is_read or exists (select from autoembed.embedding_page p where p.source_id = f.source_id
        and p.for_batch and p.batch_id is null and p.owner is null and ${delayIsOver("p.not_before")}))
      and not exists (select from autoembed.embedding_batch m
        where m.source_id = f.source_id and (m.state in ('filling', 'uploaded', 'creating')
          or m.state = 'submitted' and m.attempts > 0))
      and (select count(*) from autoembed.embedding_batch u where u.source_id = f.source_id) < ${sql.lit(MOST_UNDER_WAY)}`;

/** At most one batch of a source is being made. */
const stateOfRefused = sql`case when exists (select from autoembed.embedding_batch m
        where m.source_id = b.source_id and m.id <> b.id and m.state in ('filling', 'uploaded', 'creating'))
      then b.state else 'uploaded' end`;
const UNIQUE_VIOLATION = "23505";

function isAtWork(source: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`exists (select from autoembed.embedding_source s where s.id = ${source} and not s.paused)`;
}

/** Sources with a batch that is due, or a backfill that wants one. */
export async function findDueSources(db: Database, owner: number): Promise<number[]> {
  const { rows } = await sql<{ source_id: number }>`
    select f.source_id from autoembed.embedding_backfill f where ${isWanting} and ${isAtWork(sql`f.source_id`)}
    union select c.source_id from autoembed.embedding_batch c where ${isDue(owner)} and ${isAtWork(sql`c.source_id`)}`.execute(
    db,
  );
  return rows.map(({ source_id }) => source_id);
}

/** Begins a batch, for one process at a time. @returns undefined where there is nothing to put into one now */
export async function beginBatch(
  db: Database,
  source: Source,
  owner: number,
  modelId: number,
): Promise<Batch | undefined> {
  const { rows } = await sql<Batch>`
    insert into autoembed.embedding_batch as b (source_id, tag, model_id, owner)
    select f.source_id, ${randomUUID()}, ${modelId}, l.id
    from autoembed.embedding_backfill f, autoembed.embedding_listener l
    where f.source_id = ${source.id} and l.id = ${owner} and ${isWanting} and ${isAtWork(sql`f.source_id`)}
    on conflict (source_id) where state in ('filling', 'uploaded', 'creating') do nothing
    returning ${COLUMNS}`.execute(db);
  return rows[0];
}

/** Takes a batch that is due, and that no listener works on. */
export async function takeBatch(db: Database, source: Source, owner: number): Promise<Batch | undefined> {
  const { rows } = await sql<Batch>`
    update autoembed.embedding_batch b set owner = l.id
    from (select id from autoembed.embedding_listener where id = ${owner} for key share) l
    where b.id = (
      select c.id from autoembed.embedding_batch c
      where c.source_id = ${source.id} and ${isDue(owner)} and ${isAtWork(sql`c.source_id`)}
      order by c.not_before, c.id limit 1 for update skip locked)
    returning ${COLUMNS}`.execute(db);
  return rows[0];
}

/** Records what a step has done. The problem of the last one stays until a step is done whole. @throws {LostBatch} */
export async function changeBatch(
  db: Database,
  batch: Batch,
  owner: number,
  change: BatchChange,
): Promise<Batch> {
  const sets = Object.entries(change).map(([name, value]) => sql`${sql.id(name)} = ${value}`);
  if (change.state !== undefined) sets.push(sql`problem = null`);
  const { rows } = await sql<Batch>`
    update autoembed.embedding_batch b set ${sql.join(sets)}
    where b.id = ${batch.id}::bigint and b.owner = ${owner} returning ${COLUMNS}`.execute(db);
  const [changed] = rows;
  if (changed === undefined) throw new LostBatch();
  return changed;
}

/**
 * Lets a batch go, to be taken again after that time.
 * @param leave `problem` says why its step failed, never a text; `isRefused` has it asked for again, as soon as no other batch
 *   of its source is being made: until then it is looked at again
 */
export async function leaveBatch(
  db: Database,
  batch: Batch,
  owner: number,
  {
    afterMs,
    problem,
    isRefused = false,
  }: { readonly afterMs: number; readonly problem?: string; readonly isRefused?: boolean },
): Promise<void> {
  const leave = (state: RawBuilder<unknown>) => (text: string) =>
    sql`
      update autoembed.embedding_batch b set owner = null, state = ${state},
        not_before = now() + ${afterMs} * interval '1 millisecond',
        attempts = case when ${problem === undefined} then b.attempts else b.attempts + 1 end,
        problem = ${problem === undefined ? null : text}
      where b.id = ${batch.id}::bigint and b.owner = ${owner}`.execute(db);
  try {
    await storing(problem ?? "", leave(isRefused ? stateOfRefused : sql`b.state`));
  } catch (error) {
    // Another process has begun a batch meanwhile.
    if (!isRefused || !isDatabaseError(error) || error.code !== UNIQUE_VIOLATION) throw error;
    await storing(problem ?? "", leave(sql`b.state`));
  }
}

/** Whether the batch is still this listener's. @throws {LostBatch} */
export async function checkOwner(db: Database, batch: Batch, owner: number): Promise<void> {
  const { rows } = await sql`
    select from autoembed.embedding_batch b where b.id = ${batch.id}::bigint and b.owner = ${owner}
      and exists (select from autoembed.embedding_listener l where l.id = b.owner)`.execute(db);
  if (rows.length === 0) throw new LostBatch();
}

/** Removes a batch, and frees the pages that it has still. */
export async function removeBatch(db: Database, batch: Batch, owner: number): Promise<void> {
  await sql`delete from autoembed.embedding_batch b where b.id = ${batch.id}::bigint and b.owner = ${owner}`.execute(
    db,
  );
}
