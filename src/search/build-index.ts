import { setTimeout as delay } from "node:timers/promises";
import { sql, type RawBuilder } from "kysely";
import { connect, type Database } from "../database/connect.ts";
import { identifierOf } from "../database/identifier.ts";
import { SetupError } from "../errors.ts";
import { vectorTableOf } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { indexedExpression } from "./comparable.ts";
import { vectorIndexes } from "./vector-index.ts";

export interface BuildOptions {
  readonly databaseUrl: string;
  /** Whether to begin while rows are still pending: each of them is then inserted into the graph, at 8 times the cost. */
  readonly now: boolean;
  /** For this build alone, as `maintenance_work_mem` takes it: a graph that fits is built several times faster. */
  readonly memory: string | undefined;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface BuiltIndex {
  readonly name: string;
  readonly built: boolean;
  readonly seconds: number;
}

const LOOK_MS = 1_000;
/** So few are no backfill. */
const FEW_PENDING = 1_000;

/**
 * Builds an HNSW index on a source's vectors by cosine distance, without keeping anybody from reading or writing:
 * waits for the backfill, drops what an interrupted build left behind, and leaves a valid index alone.
 * @throws {SetupError} where the vectors cannot be indexed, or another build is under way.
 */
export async function buildIndex(db: Database, source: Source, options: BuildOptions): Promise<BuiltIndex> {
  const expression = indexedExpression(source);
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  await refusePartitioned(db, source);
  const existing = await vectorIndexes(db, source);
  const valid = existing.find((index) => index.valid);
  if (valid !== undefined) return { name: valid.name, built: false, seconds: seconds() };
  if (!options.now) await waitForBackfill(db, source, options);
  const builder = connect({
    databaseUrl: options.databaseUrl,
    maxConnections: 1,
    ownSessions: false,
    queryTimeoutMs: 2 ** 31 - 1,
  });
  try {
    // It waits for whoever was there before it, however long they take.
    await sql`select set_config('lock_timeout', '0', false), set_config('statement_timeout', '0', false)`.execute(
      builder,
    );
    if (options.memory !== undefined) {
      await sql`select set_config('maintenance_work_mem', ${options.memory}, false)`.execute(builder);
    }
    for (const { name } of existing) {
      await refuseWhileBuilt(db, name);
      options.onProgress(`dropping ${name}, which an interrupted build left behind`);
      await sql`drop index concurrently if exists ${sql.raw(name)}`.execute(builder);
    }
    const name = indexName(source);
    const building =
      sql`create index concurrently ${sql.id(name)} on ${vectorTableOf(source)} using hnsw (${expression})`
        .execute(builder)
        .then(() => undefined);
    await watch(db, source, building, options);
    return { name, built: true, seconds: seconds() };
  } finally {
    await builder.destroy();
  }
}

async function waitForBackfill(
  db: Database,
  source: Source,
  { onProgress, signal }: BuildOptions,
): Promise<void> {
  for (;;) {
    const { rows } = await sql<{ pending: number }>`
      select count(*)::int as pending from embedding_queue
      where source_id = ${source.id} and failed_at is null`.execute(db);
    const pending = rows[0]?.pending ?? 0;
    if (pending <= FEW_PENDING) return;
    onProgress(
      `waiting for ${pending} pending rows: an index built last costs an eighth (--now begins at once)`,
    );
    await delay(LOOK_MS, undefined, { signal });
  }
}

/** Tells how far the build is, until it ends. Interrupted, the build is cancelled. */
async function watch(
  db: Database,
  source: Source,
  building: Promise<void>,
  { onProgress, signal }: BuildOptions,
): Promise<void> {
  const ended = building.then(
    () => true,
    () => true,
  );
  while (!(await Promise.race([ended, delay(LOOK_MS, false)]))) {
    const { rows } = await sql<{ pid: number; phase: string; share: number | null }>`
      select pid, phase, (100.0 * coalesce(nullif(tuples_done, 0)::float8 / nullif(tuples_total, 0),
        blocks_done::float8 / nullif(blocks_total, 0)))::float8 as share
      from pg_stat_progress_create_index where relid = ${oidOf(source)}`.execute(db);
    const [progress] = rows;
    if (progress === undefined) continue;
    onProgress(`${progress.phase}${progress.share === null ? "" : ` ${progress.share.toFixed(0)} %`}`);
    if (signal.aborted) await sql`select pg_cancel_backend(${progress.pid})`.execute(db);
  }
  await building;
}

async function refuseWhileBuilt(db: Database, name: string): Promise<void> {
  const { rows } = await sql`
    select from pg_stat_progress_create_index where index_relid = to_regclass(${name})`.execute(db);
  if (rows.length === 0) return;
  throw new SetupError(
    `${name} is being built already.`,
    "Wait for it: npm run doctor tells when it is valid.",
  );
}

async function refusePartitioned(db: Database, source: Source): Promise<void> {
  const { rows } = await sql`select from pg_class where oid = ${oidOf(source)} and relkind = 'p'`.execute(db);
  if (rows.length === 0) return;
  const { schema, table } = source.vectorTable ?? source;
  throw new SetupError(
    `${schema}.${table} is partitioned, and Postgres builds no index on it without locking it.`,
    "Create the index concurrently on each partition, then on the table itself: it takes those over. See the guide to search.",
  );
}

/** The table that the index is on. */
function oidOf(source: Source): RawBuilder<unknown> {
  const { schema, table } = source.vectorTable ?? source;
  return sql`format('%I.%I', ${schema}::text, ${table}::text)::regclass`;
}

/** As Postgres would name it. */
function indexName({ vectorColumn, ...source }: Source): string {
  const { table } = source.vectorTable ?? source;
  return identifierOf(`${table}_${vectorColumn}`, "_hnsw");
}
