import type pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { examineRefusals } from "../../src/doctor/examine-refusals.ts";
import { prepare as prepareModel } from "../../src/model-change/prepare.ts";
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

test.each([
  ["a partition and its parent", "app.visits_1", "app.visits"],
  ["a parent and its partition", "app.visits", "app.visits_1"],
  ["a table that inherits and its parent", "app.letters", "app.papers"],
  ["two parents of one table", "app.papers", "app.drafts"],
])("Of %s, two sources fill one column with one text and one model only", async (_, first, second) => {
  const { client, database } = await prepareVisits();
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  await client.query(`create table app.papers (id int primary key, what text, embedding vector(${DIMENSIONS}));
    create table app.drafts (id int primary key, what text, embedding vector(${DIMENSIONS}));
    create table app.letters (primary key (id)) inherits (app.papers, app.drafts)`);
  const watchIt = (table: string, name: string, more = "") =>
    client.query(`select autoembed.watch('${table}', 'what', source_name => '${name}'${more})`);
  await watchIt(first, "one", ", model => 'A'");
  const refusal = `column embedding of ${first} receives the vectors of the source one already`;
  await expect(watchIt(second, "two", ", model => 'B'")).rejects.toThrow(refusal);
  await expect(
    client.query(`select autoembed.watch('${second}', 'lower(what)', source_name => 'two', model => 'A')`),
  ).rejects.toThrow(refusal);
  await watchIt(second, "two", `, model => 'A', settings => '{"weight": 2}'`);

  const two = (await loadSources(db)).usable.find(({ name }) => name === "two");
  if (two === undefined) throw new Error("the source cannot be worked on");
  expect(await examineRefusals(db, two)).toEqual([]);
  await expect(
    prepareModel(db, two, { backend: null, model: "B", dimensions: DIMENSIONS, settings: {} }),
  ).rejects.toThrow(refusal);
  // As an earlier version watched it.
  await client.query("update autoembed.embedding_source set model = 'B' where name = 'two'");
  expect(await examineRefusals(db, two)).toMatchObject([
    { level: "problem", what: expect.stringContaining(refusal) as string },
  ]);
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
