import { sql } from "kysely";
import { expect, onTestFinished, test } from "vitest";
import { connect, type Database } from "../../src/database/connect.ts";
import { claim } from "../../src/queue/claim.ts";
import { TenantCursor } from "../../src/queue/tenant-cursor.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import type { Source } from "../../src/sources/source.ts";
import { lendingOf } from "../support/test-lending.ts";
import { prepare } from "../support/listening.ts";

const BATCH = 128;

/** Rows of each tenant, pending in this order; and the means to claim them. */
async function prepareTenants(...queued: (readonly [tenant: string | null, rows: number])[]) {
  const { client, database } = await prepare();
  await client.query(`
    drop table if exists public.visits;
    create table public.visits (id bigint generated always as identity primary key, clinic text, note text, embedding vector(8));
    select autoembed.watch('public.visits', 'note', tenant => 'clinic')`);
  await write(client, queued);
  const { rows } = await client.query<{ id: number }>(
    "insert into autoembed.embedding_listener (host, pid, version) values ('here', 1, '0'), ('there', 2, '0') returning id",
  );
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const [source] = await chooseSources(db, "visits");
  if (source === undefined) throw new Error("visits are watched");
  const claimers = rows.map(({ id }) => claimer(db, source, id));
  const [here, there] = claimers;
  if (here === undefined || there === undefined) throw new Error("two listeners are registered");
  return { client, db, source, here, there, add: (...more: typeof queued) => write(client, more) };
}

type Client = Awaited<ReturnType<typeof prepare>>["client"];

async function write(client: Client, queued: readonly (readonly [string | null, number])[]): Promise<void> {
  for (const [clinic, rows] of queued)
    await client.query(
      "insert into public.visits (clinic, note) select $1, 'note ' || n from generate_series(1, $2::int) n",
      [clinic, rows],
    );
}

/** Claims as the listener of that id: the rows of each tenant, by their number. */
function claimer(db: Database, source: Source, owner: number) {
  const cursor = new TenantCursor(db, source);
  return async (limit = BATCH): Promise<{ tenants: Record<string, number>; isFull: boolean }> => {
    const { rows, isFull } = await cursor.next(limit, (range) =>
      claim(db, source, {
        ...range,
        owner,
        lending: lendingOf(source, "test/model@8", 1),
        maxCharacters: 100,
      }),
    );
    const keys = rows.map(({ key }) => key);
    const { rows: found } = await sql<{ clinic: string; rows: number }>`
      select coalesce(clinic, 'nobody') as clinic, count(*)::int as rows from public.visits
      where id::text = any(${keys}::text[]) group by 1`.execute(db);
    return { tenants: Object.fromEntries(found.map(({ clinic, rows }) => [clinic, rows])), isFull };
  };
}

test("With many rows of one tenant pending, a single one of another is in the next claim, which is full all the same", async () => {
  const { here, add } = await prepareTenants(["a", 2_000], ["b", 1], ["a", 2_000]);
  expect(await here()).toEqual({ tenants: { a: BATCH - 1, b: 1 }, isFull: true });
  expect(await here()).toEqual({ tenants: { a: BATCH }, isFull: true });
  // Amid changes of the first one that are as fresh, and more than a claim takes.
  await add(["a", 2_000], ["c", 1], ["a", 2_000]);
  await here();
  expect((await here()).tenants).toMatchObject({ c: 1 });
});

test("Of a thousand tenants with rows pending each has a turn before any has a second one, and a change goes ahead of them", async () => {
  const { client, here, add } = await prepareTenants();
  await client.query(`insert into public.visits (clinic, note)
    select n % 1000, 'note ' || n from generate_series(1, 8000) n`);
  await here();
  await add(["late", 1]);
  expect((await here()).tenants).toMatchObject({ late: 1 });
  await client.query("update autoembed.embedding_queue set owner = null");
  const turns = new Map<string, number>();
  for (let claims = 0; claims < 32; claims++)
    for (const tenant of Object.keys((await here()).tenants)) turns.set(tenant, (turns.get(tenant) ?? 0) + 1);
  // 32 of them in a claim, so all in 31.3; hashes that are equal share a turn.
  expect(turns.size).toBeGreaterThan(990);
  expect(Math.max(...turns.values())).toBe(2);
});

test("Rows without a tenant are one tenant more, and several listeners claim each row once, until none is left", async () => {
  const { client, here, there } = await prepareTenants(["a", 300], [null, 300], ["b", 5]);
  const first = await here();
  expect(first.tenants).toMatchObject({ nobody: expect.any(Number) as number, b: 5 });
  expect((await there()).tenants).toMatchObject({ a: 64, nobody: 64 });
  let claimed = 2 * BATCH;
  for (const claim of [here, there, here, there, here, there])
    claimed += Object.values((await claim()).tenants).reduce((sum, rows) => sum + rows, 0);
  expect(claimed).toBe(605);
  expect(await here()).toEqual({ tenants: {}, isFull: false });
  const { rows } = await client.query(
    "select count(*)::int as rows from autoembed.embedding_queue where owner is null",
  );
  expect(rows).toEqual([{ rows: 0 }]);
});

test("The turns go on from the tenant with the highest hash", async () => {
  const { client, here } = await prepareTenants(["a", 300], ["b", 300]);
  await client.query(
    "update autoembed.embedding_queue set tenant = case when key::int <= 300 then 2147483647 else 1 end",
  );
  expect((await here()).tenants).toEqual({ a: 64, b: 64 });
  expect((await here()).tenants).toEqual({ a: 64, b: 64 });
});

test("Rows that were queued before the source had tenants have a turn like a tenant's in each claim", async () => {
  const { client, here } = await prepareTenants(["old", 200], ["a", 2_000], ["b", 2_000]);
  await client.query("update autoembed.embedding_queue set tenant = null where key::int <= 200");
  expect((await here()).tenants).toEqual({ old: 43, a: 43, b: 42 });
  expect((await here()).tenants).toEqual({ old: 43, a: 43, b: 42 });
  // Of 32 tenants and more, each of which has a turn in a claim of 32 rows.
  await client.query("update autoembed.embedding_queue set tenant = key::int % 100 where key::int > 200");
  expect(Object.keys((await here(32)).tenants)).toContain("old");
});

test("A row without a tenant behind many that have one is reached, and no claim passes over it", async () => {
  const { client, here } = await prepareTenants(["a", 1_000], ["old", 2], ["b", 1_000]);
  await client.query(
    "update autoembed.embedding_queue set tenant = case when key = '1002' then null else key::int % 7 end where key <> '1001'",
  );
  await client.query("update autoembed.embedding_queue set tenant = null where key = '1001'");
  const seen: number[] = [];
  // A claim looks at as many of the oldest as it may take.
  for (let claims = 0; claims < 9; claims++) seen.push((await here()).tenants["old"] ?? 0);
  expect(seen.reduce((sum, rows) => sum + rows, 0)).toBe(2);
  let claimed = 9 * BATCH;
  for (let more = true; more;) {
    const { tenants, isFull } = await here();
    claimed += Object.values(tenants).reduce((sum, rows) => sum + rows, 0);
    more = isFull;
  }
  expect(claimed).toBe(2_002);
});

test("Rows without a tenant alone are claimed as fast as in a source without tenants", async () => {
  const { client, here } = await prepareTenants(["old", 300]);
  await client.query("update autoembed.embedding_queue set tenant = null");
  expect(await here()).toEqual({ tenants: { old: BATCH }, isFull: true });
  expect(await here()).toEqual({ tenants: { old: BATCH }, isFull: true });
  expect(await here()).toEqual({ tenants: { old: 44 }, isFull: false });
});

test("What was claimed of a tenant and released is claimed again, and what failed and is retried has its tenant still", async () => {
  const { client, here } = await prepareTenants(["a", 500], ["b", 2]);
  await here();
  await client.query("update autoembed.embedding_queue set owner = null where key = '1'");
  await client.query(
    "update autoembed.embedding_queue set failed_at = now(), owner = null where key = '501'",
  );
  await client.query("update autoembed.embedding_queue set failed_at = null where key = '501'");
  const { rows } = await client.query(
    "select count(distinct tenant)::int as tenants from autoembed.embedding_queue",
  );
  expect(rows).toEqual([{ tenants: 2 }]);
  let claimed = 0;
  for (let more = true; more;) {
    const { tenants, isFull } = await here();
    claimed += Object.values(tenants).reduce((sum, count) => sum + count, 0);
    more = isFull;
  }
  // The heads are forgotten when nothing is left above them.
  claimed += Object.values((await here()).tenants).reduce((sum, count) => sum + count, 0);
  expect(claimed).toBe(502 - BATCH + 2);
});
