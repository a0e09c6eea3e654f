import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { listSources } from "../../src/status/list-sources.ts";
import { collectStatus } from "../../src/status/collect-status.ts";
import { watch, type WatchOptions } from "../../src/watch/watch.ts";
import {
  chunksOf,
  expectAllChunksRight,
  prepareChunkedDocuments,
  prose,
} from "../support/chunked-documents.ts";
import { prepare } from "../support/listening.ts";

vi.setConfig({ testTimeout: 120_000 });

async function prepareVisits(
  create = "create table app.visits (id int primary key, clinic text, note text)",
) {
  const listening = await prepare();
  const { client, database, environment } = listening;
  await client.query(`drop schema if exists app cascade; create schema app; ${create}`);
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  return {
    ...listening,
    db,
    watchVisits: (options: Partial<WatchOptions> = {}) =>
      watch(db, readConfig(environment), {
        table: "app.visits",
        name: "visits",
        text: "note",
        tenant: "clinic",
        ...options,
      }),
    /** How many rows each tenant has in the queue, null for none; under the name that the row has, and in its order. */
    queued: async (): Promise<unknown[]> =>
      (
        await client.query({
          text: "select key, tenant from autoembed.embedding_queue order by key",
          rowMode: "array",
        })
      ).rows,
  };
}

const HASHES = { north: -1, south: -1, nobody: -1 };
const hashOf = async (client: Awaited<ReturnType<typeof prepare>>["client"]): Promise<typeof HASHES> => {
  const { rows } = await client.query<typeof HASHES>(
    `select hashtext('north') as north, hashtext('south') as south, hashtext('') as nobody`,
  );
  return rows[0] ?? HASHES;
};

test("Rows are queued with the hash of their tenant, whatever writes them; of a source without tenants they are not", async () => {
  const { client, watchVisits, queued } = await prepareVisits();
  const { north, south, nobody } = await hashOf(client);
  expect(await watchVisits()).toMatchObject({ name: "visits", tenant: "clinic" });
  await client.query("insert into app.visits values (1, 'north', 'a'), (2, 'south', 'b'), (3, null, 'c')");
  await client.query("insert into app.visits select n, 'north', 'note' from generate_series(4, 103) n");
  await client.query("delete from app.visits where id > 4");
  expect(await queued()).toEqual([
    ["1", north],
    ["2", south],
    ["3", nobody],
    ["4", north],
  ]);
  // Changed together with the text, and with the key, whose former owner may be another row by now.
  await client.query("update app.visits set clinic = 'south', note = 'changed' where id = 1");
  await client.query("update app.visits set id = 5 where id = 4");
  await client.query("insert into app.visits values (4, 'south', 'another')");
  // A change of the tenant alone is none of the text.
  await client.query("update app.visits set clinic = 'north' where id = 3");
  expect(await queued()).toEqual([
    ["1", south],
    ["2", south],
    ["3", nobody],
    ["4", south],
    ["5", north],
  ]);

  expect(await watchVisits({ tenant: undefined })).toMatchObject({ tenant: null });
  await client.query("insert into app.visits values (6, 'north', 'f')");
  expect(await queued()).toEqual(["1", "2", "3", "4", "5", "6"].map((key) => [key, null]));
  await watchVisits();
  await client.query("update app.visits set note = 'again' where id = 6");
  expect(await queued()).toEqual([
    ["1", 0],
    ["2", 0],
    ["3", 0],
    ["4", 0],
    ["5", 0],
    ["6", north],
  ]);
});

test("Two rows that have one key while a transaction lasts may have two tenants", async () => {
  const { client, watchVisits, queued } = await prepareVisits(
    "create table app.visits (id int primary key deferrable initially deferred, clinic text, note text)",
  );
  const { north } = await hashOf(client);
  await watchVisits();
  await client.query(`begin;
    insert into app.visits values (1, 'north', 'a'), (1, 'south', 'b');
    delete from app.visits where clinic = 'south';
    update app.visits set note = 'c';
    commit`);
  expect(await queued()).toEqual([["1", north]]);
});

test.each([
  [
    "partitions",
    "create table app.visits (id int, clinic text, note text, primary key (clinic, id)) partition by list (clinic); create table app.north partition of app.visits for values in ('north'); create table app.others partition of app.visits default",
  ],
  [
    "a key of several columns",
    "create table app.visits (id int, clinic text, note text, primary key (id, clinic))",
  ],
])("Rows of a table with %s are queued with their tenants", async (_, create) => {
  const { client, watchVisits } = await prepareVisits(create);
  const { north, south } = await hashOf(client);
  await watchVisits();
  await client.query("insert into app.visits values (1, 'north', 'a'), (2, 'south', 'b'), (3, 'south', 'c')");
  await client.query("update app.visits set clinic = 'north' where id = 3");
  const { rows } = await client.query(
    "select v.id, q.tenant from autoembed.embedding_queue q join app.visits v on q.key like '%' || v.id || '%' and q.key like '%' || v.clinic || '%' order by 1",
  );
  expect(rows).toEqual([
    { id: 1, tenant: north },
    { id: 2, tenant: south },
    { id: 3, tenant: north },
  ]);
});

test.each([
  ["renamed", "alter table app.visits rename clinic to hospital", "hospital"],
  ["dropped", "alter table app.visits drop clinic", undefined],
])(
  "When the column of the tenants is %s, writes go on and are queued, the source says what to do, and watching again repairs it",
  async (_, alter, tenant) => {
    const { client, db, listen, watchVisits, queued } = await prepareVisits();
    await watchVisits();
    const listener = await listen();
    await client.query("insert into app.visits values (1, 'north', 'a')");
    await listener.whenDrained();
    await client.query(alter);
    await client.query("insert into app.visits (id, note) values (2, 'b')");
    await client.query("update app.visits set note = 'c' where id = 1");
    expect(await queued()).toEqual([
      ["1", 0],
      ["2", 0],
    ]);
    const problem = async () => (await listSources(db)).find(({ name }) => name === "visits")?.problem;
    await expect.poll(problem).toMatch(/no column clinic any more: watch it again/);
    await watchVisits({ tenant });
    await listener.whenDrained();
    const { rows } = await client.query("select count(embedding)::int as embedded from app.visits");
    expect(rows).toEqual([{ embedded: 2 }]);
    expect(await problem()).toBeNull();
  },
);

test("A column of tenants that gets another type goes on to tell them", async () => {
  const { client, watchVisits, queued } = await prepareVisits();
  const { north } = await hashOf(client);
  await watchVisits();
  await client.query("insert into app.visits values (1, 'north', 'a')");
  await client.query("update app.visits set note = 'b'");
  await client.query("alter table app.visits alter clinic type varchar(20)");
  await client.query("update app.visits set note = 'c'");
  await client.query("insert into app.visits values (2, 'north', 'a')");
  expect(await queued()).toEqual([
    ["1", north],
    ["2", north],
  ]);
});

test("A column that is not there is refused, with those that are", async () => {
  const { watchVisits } = await prepareVisits();
  await expect(watchVisits({ tenant: "clinic_id" })).rejects.toMatchObject({
    message: "Cannot watch: app.visits has no column clinic_id, which is to tell its tenants.",
    remedy: "It has id, clinic, note, embedding. Name the one that tells whose row it is, or none.",
  });
});

test("Chunks have the tenant of their text, so that the many texts of one do not delay a single one of another", async () => {
  const {
    client,
    listen,
    watch: watchDocuments,
    db,
  } = await prepareChunkedDocuments(
    "create table app.documents (id bigint primary key, clinic text, body text)",
  );
  const { north, south } = await hashOf(client);
  await watchDocuments({ tenant: "clinic" });
  await client.query(
    `insert into app.documents select n, case when n = 30 then 'south' else 'north' end, $1 || n from generate_series(1, 40) n`,
    [prose(8)],
  );
  await client.query(
    "update autoembed.embedding_source set paused = true where watched_table = 'app.documents_passages'::regclass",
  );
  const listener = await listen();
  const tenants = async (): Promise<unknown[]> =>
    (
      await client.query<object>(`select q.tenant, count(distinct p.id)::int as texts from autoembed.embedding_queue q
        join app.documents_passages p on p.passage_id::text = q.key group by q.tenant order by 2`)
    ).rows;
  await expect.poll(tenants, { timeout: 30_000 }).toEqual([
    { tenant: south, texts: 1 },
    { tenant: north, texts: 39 },
  ]);
  expect((await chunksOf(client, 30)).length).toBeGreaterThan(3);
  await client.query(
    "update autoembed.embedding_source set paused = false; select pg_notify('autoembed', '')",
  );
  await expect
    .poll(async () => (await client.query("select from autoembed.embedding_queue")).rowCount)
    .toBe(0);
  await expectAllChunksRight(client);
  expect((await collectStatus(db)).sources.every(({ problem }) => problem === null)).toBe(true);
  await listener.stop();

  await watchDocuments();
  await client.query("update app.documents set body = body || ' And more.' where id = 1");
  expect((await client.query("select tenant from autoembed.embedding_queue")).rows).toEqual([
    { tenant: null },
  ]);
});
