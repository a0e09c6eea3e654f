import { sql } from "kysely";
import { expect, onTestFinished, test } from "vitest";
import { connect, type Database } from "../../src/database/connect.ts";
import { claim } from "../../src/queue/claim.ts";
import { TenantCursor } from "../../src/queue/tenant-cursor.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { prepare } from "../support/listening.ts";
import { describeNative } from "../support/database.ts";
import { serverVersion } from "../support/server-version.ts";
import { lendingOf } from "../support/test-lending.ts";

const LIMIT = 128;

/** A session whose plan of the claim was made while the queue was empty, and is kept. */
async function prepareClaims() {
  const { client, database } = await prepare();
  await client.query(`
    drop table if exists public.visits;
    create table public.visits (id bigint generated always as identity primary key, clinic text, note text, embedding vector(8));
    select autoembed.watch('public.visits', 'note', tenant => 'clinic');
    analyze autoembed.embedding_queue;
    alter table autoembed.embedding_queue set (autovacuum_enabled = false)`);
  onTestFinished(async () => {
    await client.query("alter table autoembed.embedding_queue reset (autovacuum_enabled)");
  });
  const { rows } = await client.query<{ id: number }>(
    "insert into autoembed.embedding_listener (host, pid, version) values ('here', 1, '0') returning id",
  );
  const db = connect({
    databaseUrl: database.url,
    maxConnections: 1,
    ownSessions: true,
    plans: "kept",
  });
  onTestFinished(() => db.destroy());
  const [source] = await chooseSources(db, "visits");
  if (source === undefined) throw new Error("visits are watched");
  const owner = rows[0]?.id ?? 0;
  const lending = lendingOf(source, "test/model@8", 1);
  const cursor = new TenantCursor(db, source);
  /** Claims the next rows, and takes them out of the queue. @returns how many they are */
  const next = async (): Promise<number> => {
    const { rows } = await cursor.next(LIMIT, (range) =>
      claim(db, source, { ...range, owner, lending, maxCharacters: 100 }),
    );
    const keys = rows.map(({ key }) => key);
    await sql`delete from autoembed.embedding_queue where source_id = ${source.id} and key = any(${keys}::text[])`.execute(
      db,
    );
    return rows.length;
  };
  for (let run = 0; run < 8; run++) await next();
  return { client, db, owner, next };
}

/** Pages that Postgres reads to choose the rows of a claim, and its plan. */
async function chooseCost(db: Database, owner: number, tail: string) {
  const { rows: statements } = await sql<{ name: string }>`
    select name from pg_prepared_statements where statement like '%tenants_in_turn%'`.execute(db);
  const { rows } = await sql
    .raw<{ "QUERY PLAN": [{ Plan: PlanNode }] }>(
      `explain (analyze, buffers, timing off, format json) execute "${statements[0]?.name ?? ""}"
        (${owner}, ${LIMIT}, 0, ${tail}, 'test/model@8', 100, '{1}', '{1}', '{test/model@8}', 0, '{}', '{}')`,
    )
    .execute(db);
  const plan = rows[0]?.["QUERY PLAN"][0].Plan;
  if (plan === undefined) throw new Error("no plan");
  const chosen = ["CTE fresh", "CTE turns", "CTE waiting", "CTE oldest", "CTE unnamed", "CTE behind"].map(
    (name) => plan.Plans?.find((node) => node["Subplan Name"] === name) ?? {},
  );
  const pages = chosen.reduce(
    (sum, node) => sum + (node["Shared Hit Blocks"] ?? 0) + (node["Shared Read Blocks"] ?? 0),
    0,
  );
  return { pages, plan: JSON.stringify(plan) };
}

interface PlanNode {
  readonly "Subplan Name"?: string;
  readonly "Shared Hit Blocks"?: number;
  readonly "Shared Read Blocks"?: number;
  readonly Plans?: readonly PlanNode[];
}

describeNative(
  "The claim of a source with tenants, by a plan that was kept since the queue was empty",
  "reads what plans are kept",
  () => {
    test.each([
      ["one tenant has all of the rows", "'a'", 2_000],
      ["there are a thousand tenants", "n % 1000", 20_000],
    ])(
      "A claim reads no more pages with 200,000 rows pending than with few, where %s",
      async (_, clinic, first) => {
        const { client, db, owner } = await prepareClaims();
        const fill = async (from: number, to: number): Promise<string> => {
          await client.query(`insert into public.visits (clinic, note)
          select ${clinic}, 'note ' || n from generate_series(${from}, ${to}) n`);
          const { rows } = await client.query<{ tail: string }>(
            "select max(ticket)::text as tail from autoembed.embedding_queue",
          );
          return rows[0]?.tail ?? "0";
        };
        const few = await chooseCost(db, owner, await fill(1, first));
        await client.query("update autoembed.embedding_queue set owner = null");
        await client.query("vacuum autoembed.embedding_queue");
        const many = await chooseCost(db, owner, await fill(first + 1, 200_000));
        // Where the chosen rows lie, a page or two for each, differs; reading all would take thousands.
        expect(many.pages).toBeLessThan(few.pages * 3);
        expect(many.plan).not.toMatch(/Seq Scan/);
        expect(many.plan).toMatch(/embedding_queue_tenant/);
      },
      120_000,
    );

    test("Claims read as many pages at the end of 60,000 rows as at their start, though nothing is vacuumed away", async (context) => {
      const { client, db, next } = await prepareClaims();
      if ((await serverVersion(db)) < 15)
        context.skip("before Postgres 15 a session cannot make known at once how many pages it has read");
      await client.query(`insert into public.visits (clinic, note)
        select case when n % 1000 = 0 then n::text else 'a' end, 'note ' || n from generate_series(1, 60000) n`);
      // An old snapshot keeps what was dequeued from being marked as dead.
      await client.query("begin isolation level repeatable read; select 1 from autoembed.embedding_source");
      const costs: number[] = [];
      let claimed = 0;
      for (let rows = -1; rows !== 0;) {
        const before = await pagesOfQueue(db);
        claimed += rows = await next();
        costs.push((await pagesOfQueue(db)) - before);
      }
      await client.query("rollback");
      expect(claimed).toBe(60_000);
      // Every three seconds, one claim begins from the start again, and passes over all that is dead, as in any source.
      expect(median(costs.slice(-101, -1))).toBeLessThan(1.2 * median(costs.slice(0, 100)));
    }, 120_000);
  },
);

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}

/** Pages of the queue and its indexes that were read until now. */
async function pagesOfQueue(db: Database): Promise<number> {
  await sql`select pg_stat_force_next_flush()`.execute(db);
  const { rows } = await sql<{ pages: number }>`
    select (heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read)::float8 as pages
    from pg_statio_user_tables where relid = 'autoembed.embedding_queue'::regclass`.execute(db);
  return rows[0]?.pages ?? 0;
}
