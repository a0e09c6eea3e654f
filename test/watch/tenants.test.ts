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
import { nameIn, role } from "../support/roles.ts";

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
  await client.query("update app.visits set note = 'another' where id = 1");
  expect(await queued()).toMatchObject([["1", south], ["2", south], {}, {}, ["5", north], ["6", null]]);
  await watchVisits();
  await client.query("insert into app.visits values (7, 'north', 'g')");
  expect(await queued()).toMatchObject([["1", south], ["2", south], {}, {}, {}, ["6", null], ["7", north]]);
});

test("What is queued already is left as it is when a source gets tenants, or loses them", async () => {
  const { client, watchVisits } = await prepareVisits();
  await watchVisits({ tenant: undefined });
  await client.query(`insert into app.visits select n, 'north', 'note' from generate_series(1, 3) n;
    update autoembed.embedding_queue set failed_at = now(), last_error = 'refused' where key = '3'`);
  const rows = async (): Promise<unknown[]> =>
    (await client.query<object>("select q.ctid, q.xmin, q.* from autoembed.embedding_queue q order by key"))
      .rows;
  const before = await rows();
  await watchVisits();
  expect(await rows()).toEqual(before);
  await watchVisits({ tenant: undefined });
  expect(await rows()).toEqual(before);
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
    // It may embed what follows before it finds that the column is gone.
    await listener.stop();
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
    await (await listen()).whenDrained();
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

test.each([
  ["a timestamptz", "timestamptz", "timestamp with time zone"],
  ["bytes", "bytea", "bytea"],
  ["an array", "text[]", "text[]"],
  ["an enum with a cast to text of its own", "app.region", "app.region"],
  ["a domain over a row type", "app.named_place", "app.named_place"],
])("A column of tenants that is %s is refused, with what to do", async (_, type, named) => {
  const { watchVisits } = await prepareVisits(`
    create type app.region as enum ('north', 'south');
    create function app.spell(app.region) returns text language sql immutable as $$ select 'a' $$;
    create cast (app.region as text) with function app.spell(app.region);
    create type app.place as (name text);
    create domain app.named_place as app.place;
    create table app.visits (id int primary key, clinic ${type}, note text)`);
  await expect(watchVisits()).rejects.toMatchObject({
    message: `Cannot watch: clinic of app.visits is ${named}, whose text depends on a session's settings or on functions.`,
    remedy:
      "Name a column of text, integers, numeric, uuid, boolean or an enum that tells the tenants, or add one of text.",
  });
});

test.each(["int", "numeric(9, 2)", "uuid", "boolean", "char(9)", "app.region", "app.code", "app.short_code"])(
  "A column of tenants may be %s",
  async (type) => {
    const { client, watchVisits, queued } = await prepareVisits(`
      create type app.region as enum ('north', 'south');
      create domain app.code as varchar(20);
      create domain app.short_code as app.code check (length(value) < 9);
      create table app.visits (id int primary key, clinic ${type}, note text)`);
    await watchVisits();
    await client.query("insert into app.visits values (1, null, 'a')");
    expect(await queued()).toEqual([["1", (await hashOf(client)).nobody]]);
  },
);

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

test.each([
  ["may not be read by", ""],
  [
    "has a policy that raises for",
    "grant usage on schema app to %1; grant select on app.documents to %1; alter table app.documents enable row level security; create policy raises on app.documents using (1 / (id - id) = 1);",
  ],
])(
  "Chunks are written and embedded where the table of their texts %s the owner of their trigger functions",
  async (_, grants) => {
    const {
      client,
      database,
      listen,
      watch: watchDocuments,
    } = await prepareChunkedDocuments(
      "create table app.documents (id bigint primary key, clinic text, body text)",
    );
    await watchDocuments({ tenant: "clinic" });
    const owner = nameIn(await role(client, database.url, "owner"));
    const { rows } = await client.query<{ made: string; me: string }>(`
      select format('autoembed.source_%s_insert()', id) as made, current_user as me
      from autoembed.embedding_source where watched_table = 'app.documents_passages'::regclass`);
    const [{ made, me } = { made: "", me: "" }] = rows;
    onTestFinished(async () => {
      await client.query(`alter function ${made} owner to ${me}`);
    });
    await client.query(`${grants.replaceAll("%1", owner)} alter function ${made} owner to ${owner};
      grant usage on schema autoembed to ${owner};
      grant select, insert, update, delete on all tables in schema autoembed to ${owner};
      grant usage on all sequences in schema autoembed to ${owner};
      grant execute on all functions in schema autoembed to ${owner};
      update autoembed.embedding_source set paused = true where watched_table = 'app.documents_passages'::regclass`);
    await client.query("insert into app.documents select n, 'north', $1 || n from generate_series(1, 2) n", [
      prose(8),
    ]);
    await listen();
    await expect
      .poll(
        async () =>
          (
            await client.query<object>(`select q.tenant, count(distinct p.id)::int as texts
              from autoembed.embedding_queue q join app.documents_passages p on p.passage_id::text = q.key group by 1`)
          ).rows,
        { timeout: 10_000 },
      )
      .toEqual([{ tenant: 0, texts: 2 }]);
    await client.query(
      "update autoembed.embedding_source set paused = false; select pg_notify('autoembed', '')",
    );
    await expect
      .poll(async () => (await client.query("select from autoembed.embedding_queue")).rowCount)
      .toBe(0);
    await expectAllChunksRight(client);
  },
);

test("After the table of the texts was renamed, their chunks have tenants again once the trigger functions are made again", async () => {
  const { client, watch: watchDocuments } = await prepareChunkedDocuments(
    "create table app.documents (id bigint primary key, clinic text, body text)",
  );
  const { north } = await hashOf(client);
  await watchDocuments({ tenant: "clinic" });
  await client.query(
    `insert into app.documents values (1, 'north', ''); alter table app.documents rename to papers`,
  );
  const tenantOf = async (chunk: number): Promise<unknown> => {
    await client.query(
      "insert into app.documents_passages (id, chunk, start_char, end_char, passage) values (1, $1, 0, 1, 'x')",
      [chunk],
    );
    return (
      await client.query<{ tenant: number }>(
        "select tenant from autoembed.embedding_queue order by ticket desc",
      )
    ).rows[0]?.tenant;
  };
  expect(await tenantOf(0)).toBe(0);
  await client.query("select autoembed.update_triggers(s) from autoembed.embedding_source s");
  expect(await tenantOf(1)).toBe(north);
});
