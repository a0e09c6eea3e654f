/** `npm run chaos`: users write while everything that can fail fails; afterwards every row must be right. */
import { randomBytes } from "node:crypto";
import { setMaxListeners } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { connect } from "../src/database/connect.ts";
import { SetupError } from "../src/errors.ts";
import { migrate } from "../src/migrate.ts";
import { retryFailed } from "../src/queue/retry.ts";
import { beginBackfills } from "../test/support/begin-backfills.ts";
import { startHalfOpenProxy, through } from "../test/support/half-open-proxy.ts";
import { startPgBouncer } from "../test/support/pgbouncer.ts";
import { startProviderServer } from "../test/support/provider-server.ts";
import { Primary } from "./failover.ts";
import { causeFaults, type Restores } from "./faults.ts";
import { Listeners } from "./listeners.ts";
import { readOptions, type ChaosOptions } from "./options.ts";
import { Random } from "./random.ts";
import { describeReport, isClean, type Report } from "./report.ts";
import { SchemaChanges } from "./schema-changes.ts";
import { Tally } from "./tally.ts";
import { withDatabase } from "./with-database.ts";
import { verify, type VectorsIn } from "./verify.ts";
import { CUT, isOfRename, Writer, type WriterTallies } from "./writer.ts";

const DIMENSIONS = 8;
/** The result of `npm run watch -- patient_embeddings --into patient_vectors`, without the old vector column. */
const VECTORS_APART = `alter table patient_embeddings drop column embedding;
  create table patient_vectors (embedding vector(${DIMENSIONS}),
    patient_id bigint primary key references patient_embeddings on delete cascade on update cascade);
  select autoembed.watch('public.patient_embeddings', 'context_text', source_name => 'patient_embeddings', vector_table => 'public.patient_vectors')`;
/** Writers name a limit when they connect, which it would refuse; a server that is away is asked again soon. */
const POOLER = {
  ignore_startup_parameters: "statement_timeout",
  default_pool_size: "20",
  server_login_retry: "1",
};
const CHECK_MS = 5_000;
/** Pause between two transactions of a writer, on average. */
const WRITER_PAUSE_MS = 20;
/** How long the queue may take to become empty once everything works again; after a long run, as long as that took. */
const QUIET_MS = 120_000;

async function main(options: ChaosOptions): Promise<Report> {
  const name = `chaos_${randomBytes(4).toString("hex")}`;
  const address = await startHalfOpenProxy(options.server);
  const server = through(address, options.server);
  await onDatabase(server, (admin) => admin.query(`create database ${name}`));
  const url = withDatabase(server, name);
  await migrate({ databaseUrl: url, dimensions: DIMENSIONS });
  const vectors = options.into ? "patient_vectors" : "patient_embeddings";
  if (options.into) await onDatabase(url, (client) => client.query(VECTORS_APART));
  const provider = await startProviderServer({ dimensions: DIMENSIONS, latencyMs: 20 });
  const postgresProxy = await startHalfOpenProxy(url);
  const providerProxy = await startHalfOpenProxy(provider.url);
  const pooler = options.pooler ? await startPgBouncer(url, POOLER) : undefined;
  const environment = {
    EMBEDDING_BACKEND: "llm_api",
    EMBEDDING_DIM: String(DIMENSIONS),
    EMBEDDING_TIMEOUT: "2000",
    OPENAI_API_KEY: "chaos",
    EMBED_BACKOFF_MS: "50",
    EMBED_BATCH_SIZE: "32",
    EMBED_MAX_CONCURRENCY: "2",
    EMBED_POLL_MS: "1000",
    EMBED_SHUTDOWN_MS: "3000",
    EMBED_LOG_LEVEL: "info",
  };
  const listeners = new Listeners(
    // Half of them connect to Postgres and the provider through the proxies.
    Array.from({ length: options.listeners }, (_, place) => ({
      ...environment,
      ...(place % 2 === 0
        ? { DATABASE_URL: through(postgresProxy, url) }
        : { DATABASE_URL: pooler?.url ?? url, LISTEN_DATABASE_URL: pooler && url }),
      OPENAI_BASE_URL: `${place % 2 === 0 ? through(providerProxy, provider.url).replace(/\/$/, "") : provider.url}/v1`,
    })),
    new Tally(),
  );
  const random = new Random(options.seed);
  const faults = new Tally();
  const restores: Restores = { unbegun: false };
  const primary = new Primary(
    address,
    { restart: options.restartCommand, failover: options.failoverCommand },
    faults,
  );
  const users: WriterTallies = {
    operations: new Tally(),
    cut: new Tally(),
    retried: new Tally(),
    failed: new Tally(),
    waits: [],
  };
  let lastKey = 1_000_000;
  const writers = Array.from(
    { length: options.writers },
    (_, place) =>
      new Writer(
        place % 2 === 0 ? url : (pooler?.url ?? url),
        new Random(random.whole(1, 1e9)),
        users,
        () => ++lastKey,
        options.isolation,
      ),
  );

  const started = performance.now();
  const ending = AbortSignal.timeout(1000 * options.seconds);
  // Every kind of fault waits for it.
  setMaxListeners(100, ending);
  process.once("exit", () => {
    listeners.killAll();
  });
  listeners.start();
  const looks = { snapshots: 0, lost: 0, wrong: 0, mostConnections: 0 };
  await Promise.all([
    ...writers.map((writer) => writer.run(ending, WRITER_PAUSE_MS)),
    causeFaults(
      {
        options,
        url,
        primary,
        schemaChanges: new SchemaChanges(url, random, faults, users.failed),
        listeners,
        provider,
        postgresProxy,
        providerProxy,
        faults,
        restores,
        random,
      },
      ending,
    ),
    checkDuringFaults(url, vectors, looks, restores, ending),
  ]);

  const quietSince = performance.now();
  if (restores.unbegun) await beginBackfills(url);
  const failedRows = await waitUntilDrained(url, Math.max(QUIET_MS, 1000 * options.seconds));
  const quietMs = performance.now() - quietSince;
  const verdict = await onDatabase(url, (client) => verify(client, vectors, DIMENSIONS));
  const goodbyes = await listeners.close();
  const left = await onDatabase(url, async (client) => {
    const { rows } = await client.query<Report["left"]>(`
      select (select count(*)::int from autoembed.embedding_queue) as queued,
        (select count(*)::int from autoembed.embedding_queue where owner is not null) as owned,
        (select count(*)::int from autoembed.embedding_listener) as listed`);
    if (rows[0] === undefined) throw new Error("a count returned no row");
    return rows[0];
  });
  await Promise.all([provider.close(), postgresProxy.close(), providerProxy.close(), pooler?.close()]);
  await onDatabase(server, (admin) => admin.query(`drop database ${name} with (force)`));
  await address.close();
  return {
    seconds: (quietSince - started) / 1000,
    options,
    users,
    faults,
    looks,
    failedRows,
    quietMs,
    verdict,
    goodbyes,
    left,
    exits: listeners.exits,
    crashes: listeners.crashes,
    mostMegabytes: listeners.mostMegabytes,
    requests: provider.counts.requests,
    texts: provider.counts.inputs,
  };
}

/** During the faults, every row that is not pending must be right at every moment. */
async function checkDuringFaults(
  url: string,
  vectors: VectorsIn,
  looks: Report["looks"],
  restores: Restores,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await delay(CHECK_MS, undefined, { signal }).catch(() => undefined);
    if (restores.unbegun) continue;
    try {
      await onDatabase(url, async (client) => {
        const { lost, wrong } = await verify(client, vectors, DIMENSIONS);
        const { rows } = await client.query<{ connections: number }>(
          `select count(*)::int as connections from pg_stat_activity
           where datname = current_database() and starts_with(application_name, 'pg-autoembed')`,
        );
        // Nobody knows yet of rows that were restored meanwhile.
        if (restores.unbegun) return;
        looks.snapshots++;
        looks.lost += lost;
        looks.wrong += wrong;
        looks.mostConnections = Math.max(looks.mostConnections, rows[0]?.connections ?? 0);
      });
    } catch (error) {
      // The chaos may have cut this connection too.
      if (error instanceof pg.DatabaseError && !CUT.test(error.code ?? "") && !isOfRename(error)) throw error;
    }
  }
}

/**
 * Waits until nothing is pending. Rows that failed because of the provider's answers are retried, as by `npm run retry`.
 * @returns the number of retried rows
 */
async function waitUntilDrained(url: string, withinMs: number): Promise<number> {
  const db = connect({ databaseUrl: url, maxConnections: 1, ownSessions: true });
  const deadline = Date.now() + withinMs;
  let failed = 0;
  try {
    for (;;) {
      failed += await retryFailed(db, {});
      const pending = await db.selectFrom("autoembed.embedding_queue").select("key").limit(1).execute();
      const backfills = await db.selectFrom("autoembed.embedding_backfill").select("source_id").execute();
      if (pending.length + backfills.length === 0 || Date.now() > deadline) return failed;
      await delay(250);
    }
  } finally {
    await db.destroy();
  }
}

async function onDatabase<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: "chaos" });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

try {
  const report = await main(readOptions(process.argv.slice(2), process.env));
  console.log(describeReport(report));
  process.exitCode = isClean(report) ? 0 : 1;
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`${error.message}\n${error.remedy}`);
  process.exitCode = 2;
}
