import type pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000 });

test("A partition that is watched itself, with its parent or alone, misses no row that comes through the parent", async () => {
  const { client, listen } = await prepareVisits();
  await client.query(`select autoembed.watch('app.visits', 'what', source_name => 'all');
    select autoembed.watch('app.visits_1', 'what', vector_column => 'own', source_name => 'january')`);
  await client.query("insert into app.visits values (1, '2025-01-05', 'one'), (2, '2025-02-05', 'two')");
  expect(await pending(client)).toEqual(["all 1", "all 2", "january 1"]);

  const listener = await listen();
  await listener.whenDrained();
  await client.query("update app.visits set at = '2025-01-06', what = 'moved' where id = 2");
  await listener.whenDrained();
  const { rows } = await client.query(
    "select id from app.visits where embedding is null or own is distinct from embedding",
  );
  expect(rows).toEqual([]);

  await listener.stop();
  await client.query("select autoembed.unwatch('all')");
  await client.query("insert into app.visits values (3, '2025-01-07', 'three')");
  expect(await pending(client)).toEqual(["january 3"]);
  await client.query("delete from app.visits where id = 3");
  expect(await pending(client)).toEqual([]);
});

test("A watched table that becomes a partition is reported, and watching it again repairs it", async () => {
  const { client, database } = await prepareVisits();
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const problems = async () => (await loadSources(db)).broken.map((source) => source.problem);
  await client.query("alter table app.visits detach partition app.visits_1");
  await client.query(
    "select autoembed.watch('app.visits_1', 'what', vector_column => 'own', source_name => 'january')",
  );
  expect(await problems()).toEqual([]);
  await client.query(
    "alter table app.visits attach partition app.visits_1 for values from ('2025-01-01') to ('2025-02-01')",
  );
  expect(await problems()).toEqual([
    expect.stringMatching(/visits_1 became a partition.*watch it again.*backfill/s),
  ]);

  await client.query(
    "select autoembed.watch('app.visits_1', 'what', vector_column => 'own', source_name => 'january')",
  );
  expect(await problems()).toEqual([]);
  await client.query("insert into app.visits values (1, '2025-01-05', 'one')");
  expect(await pending(client)).toEqual(["january 1"]);
});

async function prepareVisits() {
  const around = await prepare();
  await around.client.query(`drop schema if exists app cascade; create schema app;
    create table app.visits (id int, at date, what text, embedding vector(${DIMENSIONS}), own vector(${DIMENSIONS}),
      primary key (id, at)) partition by range (at);
    create table app.visits_1 partition of app.visits for values from ('2025-01-01') to ('2025-02-01');
    create table app.visits_2 partition of app.visits for values from ('2025-02-01') to ('2025-03-01')`);
  return around;
}

/** The source and the first part of the key, per pending row. */
async function pending(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ row: string }>(
    `select s.name || ' ' || (q.key::jsonb ->> 0) as row from autoembed.embedding_queue q
     join autoembed.embedding_source s on s.id = q.source_id order by 1`,
  );
  return rows.map(({ row }) => row);
}
