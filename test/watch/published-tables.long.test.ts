import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { watch } from "../../src/watch/watch.ts";
import { describeNative } from "../support/database.ts";
import { prepare, wrongRows, DIMENSIONS } from "../support/listening.ts";

vi.setConfig({ testTimeout: 60_000 });

async function prepareTable() {
  const around = await prepare();
  const { client, database, environment } = around;
  await client.query(`drop table if exists events cascade; drop table if exists events_vectors;
    drop publication if exists told;
    create table events (patient_id text not null unique, context_text text, embedding vector(${DIMENSIONS}))`);
  onTestFinished(async () => {
    await client.query("drop publication if exists told; drop table events cascade");
  });
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const watchIt = (into?: string) =>
    watch(db, readConfig(environment), {
      table: "events",
      key: ["patient_id"],
      text: "context_text",
      into,
      dimensions: DIMENSIONS,
    });
  const problem = async () => {
    const { rows } = await client.query<{ trouble: string | null }>(
      "select trouble from autoembed.embedding_source where name = 'events'",
    );
    return rows[0]?.trouble ?? null;
  };
  return { ...around, watchIt, problem };
}

const REMEDY = "alter table public.events replica identity full";

test("a published table without a replica identity is refused by watch, which says what to run", async () => {
  const { client, watchIt } = await prepareTable();
  await client.query("create publication told for table events");
  await expect(watchIt()).rejects.toThrow(REMEDY);
  await client.query("alter publication told set (publish = 'insert')");
  await watchIt();
});

test.each([
  ["in a published schema", "create publication told for tables in schema public", 150_000],
  ["among all tables", "create publication told for all tables", 0],
])("a table %s is refused too", async (_, publish, version) => {
  const { client, watchIt } = await prepareTable();
  const { rows } = await client.query<{ number: number }>(
    "select current_setting('server_version_num')::int as number",
  );
  if ((rows[0]?.number ?? 0) < version) return;
  await client.query(publish);
  await expect(watchIt()).rejects.toThrow(REMEDY);
});

test("a partitioned table is refused for its partitions, which are published with it", async () => {
  const { client, watchIt } = await prepareTable();
  await client.query(`drop table events; create table events (patient_id text not null unique, context_text text,
      embedding vector(${DIMENSIONS})) partition by list (patient_id);
    create table events_rest partition of events default; create publication told for table events`);
  await expect(watchIt()).rejects.toThrow(REMEDY);
  await client.query("alter table events_rest replica identity full");
  await watchIt();
});

describeNative("A published table that is locked", "needs several sessions", () => {
  test("keeps no listener from reading its sources", async () => {
    const { client, database, watchIt } = await prepareTable();
    await client.query(`drop table if exists unrelated; create table unrelated (id int primary key)`);
    await client.query("create publication told for all tables");
    onTestFinished(async () => {
      await client.query("drop table unrelated");
    });
    const other = new pg.Client(database.url);
    await other.connect();
    onTestFinished(() => other.end());
    await other.query("begin; lock table unrelated in access exclusive mode");
    await expect(watchIt()).rejects.toThrow(REMEDY);
  });
});

test("vectors in a table of their own need no replica identity of the watched one", async () => {
  const { client, watchIt } = await prepareTable();
  await client.query("create publication told for table events");
  await watchIt("events_vectors");
});

test("a watched table that is published later is named, nothing is paid for, no row fails, and it goes on by itself", async () => {
  const { client, listen, problem, provider, watchIt } = await prepareTable();
  await watchIt();
  await client.query("create publication told for table events");
  const listener = await listen();
  await expect.poll(problem, { timeout: 20_000 }).toContain(REMEDY);
  await client.query("insert into events values ('a', 'one'), ('b', 'two')");
  await client.query("select pg_sleep(1.5)");
  const { rows } = await client.query(
    "select key from autoembed.embedding_queue where failed_at is null order by key",
  );
  expect(rows).toHaveLength(2);
  expect(provider.requests.flatMap(({ texts }) => texts)).not.toContain("one");
  await client.query(REMEDY);
  await listener.whenDrained(AbortSignal.timeout(20_000));
  expect(await wrongRows(client, "events")).toEqual([]);
  await expect.poll(problem).toBeNull();
});
