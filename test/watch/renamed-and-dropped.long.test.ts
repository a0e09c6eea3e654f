import { once } from "node:events";
import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { collectStatus } from "../../src/status/collect-status.ts";
import { unwatch } from "../../src/watch/unwatch.ts";
import { watch } from "../../src/watch/watch.ts";
import { describeNative } from "../support/database.ts";
import { prepare, wrongRows } from "../support/listening.ts";
import { prepareVectorTable } from "../support/vector-table.ts";

const WAIT = { timeout: 30_000, interval: 50 };
vi.setConfig({ testTimeout: 180_000 });

async function prepareTwoSources(text = "body") {
  const listening = await prepare();
  const { client, database, environment } = listening;
  await client.query(`drop schema if exists app cascade; create schema app;
    create table app.tickets (id int primary key, title text default 'title', body text)`);
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const config = readConfig(environment);
  const options = { table: "app.tickets", text, name: "tickets" };
  await watch(db, config, options);
  return {
    ...listening,
    db,
    watchAgain: (changed: Partial<typeof options> & { readonly vector?: string }) =>
      watch(db, config, { ...options, ...changed }),
    problemOf: async () =>
      (await collectStatus(db)).sources.find(({ name }) => name === "tickets")?.problem ?? "none",
  };
}

test.each([
  [
    "a source's text column is renamed",
    "alter table app.tickets rename body to content",
    /column/,
    { text: "content" },
  ],
  [
    "a source's vector column is renamed",
    "alter table app.tickets rename embedding to vec",
    /no column embedding/,
    { vector: "vec" },
  ],
  [
    "a source's vector column is dropped",
    "alter table app.tickets drop embedding",
    /no column embedding/,
    {},
  ],
])(
  "When %s, writes go on, status reports it, other sources work, and watching again repairs it",
  async (_what, alter, says, heal) => {
    const { client, listen, watchAgain, problemOf } = await prepareTwoSources();
    const listener = await listen();
    await client.query("insert into app.tickets values (1, 'a', 'before')");
    await listener.whenDrained();
    await client.query(alter);
    await client.query("insert into app.tickets values (2, 'b', 'after')");
    await client.query("update app.tickets set title = 'c'");
    await client.query("delete from app.tickets where id = 1");
    await client.query("insert into patient_embeddings values (7, 'another source')");

    await vi.waitFor(async () => {
      expect(await wrongRows(client)).toEqual([]);
    }, WAIT);
    await vi.waitFor(async () => {
      expect(await problemOf()).toMatch(says);
    }, WAIT);

    await watchAgain(heal);
    await listener.whenDrained();
    const { rows } = await client.query(
      `select id from app.tickets where ${"vector" in heal ? "vec" : "embedding"} is null`,
    );
    expect(rows).toEqual([]);
    await vi.waitFor(async () => {
      expect(await problemOf()).toBe("none");
    }, WAIT);
  },
);

test("When a column of a source's text expression is renamed, writes go on and status reports it", async () => {
  const { client, listen, problemOf, watchAgain } = await prepareTwoSources("title || body");
  const listener = await listen();
  await client.query("alter table app.tickets rename body to content");
  await client.query("insert into app.tickets values (1, 'a', 'inserted')");
  await client.query("update app.tickets set content = 'updated'");
  expect(await problemOf()).toMatch(/renamed or dropped/);
  await watchAgain({ text: "title || content" });
  await listener.whenDrained();
  const { rows } = await client.query("select id from app.tickets where embedding is null");
  expect(rows).toEqual([]);
});

test("A renamed table is still watched", async () => {
  const { client, listen } = await prepareTwoSources();
  const listener = await listen();
  await client.query("alter table app.tickets rename to issues");
  await client.query("insert into app.issues values (1, 'a', 'one'), (2, 'b', 'two')");
  await client.query("delete from app.issues where id = 2");
  await listener.whenDrained();
  const { rows } = await client.query("select id, embedding is not null as embedded from app.issues");
  expect(rows).toEqual([{ id: 1, embedded: true }]);
});

test("A renamed table whose name another one got loses no pending change, and the other table gets no vector", async () => {
  const { client, listen } = await prepareTwoSources();
  const listener = await listen();
  await client.query("insert into app.tickets values (1, 'a', 'one'), (2, 'b', 'two')");
  await listener.whenDrained();
  await client.query(`begin; alter table app.tickets rename to issues;
    create table app.tickets (like app.issues including all);
    insert into app.tickets values (2, 'b', 'changed'), (4, 'd', null); commit`);
  await client.query("update app.issues set body = 'changed' where id < 3");
  await client.query("insert into app.issues values (3, 'c', 'three'), (4, 'd', 'four')");
  await listener.whenDrained();
  expect(
    await wrongRows(client, "(select id as patient_id, body as context_text, embedding from app.issues) t"),
  ).toEqual([]);
  expect((await client.query("select from app.tickets where embedding is not null")).rowCount).toBe(0);
});

const RENAMED = {
  "its table was renamed": "alter table app.t rename to renamed",
  "another table has got the table's name":
    "alter table app.t rename to renamed; create table app.t as select * from app.renamed",
  "its schema was renamed": "alter schema app rename to former",
  "its schema was renamed, and another has got the name":
    "alter schema app rename to former; create schema app; create table app.t as select * from former.t",
  "its key column was renamed": "alter table app.t rename id to number",
};
test.each(
  Object.entries(RENAMED).flatMap(([what, alter]) => [
    [what, "an ordinary table", "", alter] as const,
    [what, "a partitioned table", "partition by range (id)", alter] as const,
    // The first delete of a transaction finds out whether others need a subtransaction.
    [
      what,
      "a table of which the transaction has deleted a row before",
      "",
      `begin; delete from app.t where id = 3; ${alter}`,
    ] as const,
  ]),
)("Deleting a row erases what was made from it after %s, of %s", async (_what, _kind, partition, alter) => {
  const { client, listen } = await prepare();
  await client.query(`drop schema if exists app, former cascade; create schema app;
      create table app.t (id int primary key, body text, embedding vector(8)) ${partition};
      ${partition === "" ? "" : "create table app.part partition of app.t for values from (0) to (9);"}
      select autoembed.watch('app.t', 'body', source_name => 'renamed')`);
  const listener = await listen();
  await client.query("insert into app.t values (1, 'one'), (2, 'two'), (3, 'three')");
  await listener.whenDrained();
  await client.query("update app.t set body = 'former'");
  await listener.whenDrained();
  await listener.stop();
  const { rows: tables } = await client.query<{ oid: string }>("select 'app.t'::regclass::oid as oid");
  await client.query(alter);
  const { rows } = await client.query<{ name: string }>("select $1::oid::regclass::text as name", [
    tables[0]?.oid,
  ]);
  const column = alter.includes("number") ? "number" : "id";
  await client.query(`update ${rows[0]?.name ?? ""} set body = 'pending';
      delete from ${rows[0]?.name ?? ""} where ${column} in (1, 3); commit`);
  const { rows: left } = await client.query(`
      select key from autoembed.embedding_queue where source_id = (select max(id) from autoembed.embedding_source)
      union all select key from autoembed.embedding_ledger where source_id = (select max(id) from autoembed.embedding_source)
      union all select key from autoembed.embedding_cache where source_id = (select max(id) from autoembed.embedding_source)`);
  expect(left).toEqual([{ key: "2" }, { key: "2" }, { key: "2" }]);
  await client.query("drop schema if exists former cascade");
});

test("A dropped table is reported by status, and delays no other source", async () => {
  const { client, listen, problemOf } = await prepareTwoSources();
  await listen();
  await client.query("insert into app.tickets values (1, 'a', 'one')");
  await client.query("drop table app.tickets");
  await client.query("insert into patient_embeddings values (7, 'another source')");
  await vi.waitFor(async () => {
    expect(await wrongRows(client)).toEqual([]);
    expect(await problemOf()).toMatch(/dropped.*unwatch/);
  }, WAIT);
});

test("A table that another took the name of is reported with the command that watches the new one, which is then embedded", async () => {
  const { client, listen, problemOf, watchAgain } = await prepareTwoSources();
  const listener = await listen();
  await client.query("insert into app.tickets values (1, 'a', 'before')");
  await listener.whenDrained();
  await client.query(`create table app.next (id int primary key, title text default 'title', body text);
    insert into app.next values (1, 'a', 'after'), (2, 'b', 'more');
    begin; alter table app.tickets rename to before; alter table app.next rename to tickets; drop table app.before; commit`);
  await client.query("insert into app.tickets values (3, 'c', 'unseen')");
  await vi.waitFor(async () => {
    expect(await problemOf()).toContain("`npm run watch -- TABLE --name tickets --text body`, and backfill");
  }, WAIT);
  await watchAgain({});
  await client.query("update app.tickets set body = body || ' it'");
  await listener.whenDrained();
  expect(await problemOf()).toBe("none");
  expect(
    await wrongRows(client, "(select id as patient_id, body as context_text, embedding from app.tickets) t"),
  ).toEqual([]);
});

test("A table that was dropped and made again with its triggers, as a dump does it, is unwatched, or watched again", async () => {
  const { client, listen, db, problemOf, watchAgain } = await prepareTwoSources();
  const triggers = "select from pg_trigger where tgrelid = 'app.tickets'::regclass and not tgisinternal";
  const makeAgain = async () => {
    const { rows } = await client.query<{ statement: string }>(
      "select pg_get_triggerdef(oid) as statement from pg_trigger where tgrelid = 'app.tickets'::regclass and not tgisinternal",
    );
    expect(rows).toHaveLength(4);
    await client.query(`drop table app.tickets;
      create table app.tickets (id int primary key, title text default 'title', body text, embedding vector(8));
      ${rows.map(({ statement }) => statement).join(";")}`);
  };
  await makeAgain();
  expect(await problemOf()).toContain("npm run unwatch -- tickets");
  await watchAgain({});
  await client.query("insert into app.tickets values (1, 'a', 'seen')");
  const listener = await listen();
  await listener.whenDrained();
  expect((await client.query("select from app.tickets where embedding is not null")).rowCount).toBe(1);

  await makeAgain();
  await unwatch(db, "tickets");
  expect((await client.query(triggers)).rowCount).toBe(0);
  await client.query("insert into app.tickets values (1, 'a', 'free')");
});

test.each([
  ["dropped", "drop table app.documents", "id"],
  ["kept under another name", "alter table app.documents rename to former", "id"],
  ["dropped, and had a shorter key", "drop table app.documents", "tenant, id"],
  [
    "kept under another name, and has a shorter key",
    "alter table app.documents rename to former",
    "tenant, id",
  ],
])(
  "A table that was made again with its vectors has a text embedded that was changed meanwhile, and no other: the former one is %s",
  async (_, release, key) => {
    const { client, listen, provider, watchAgain, backfill } = await prepareVectorTable(
      "create table app.documents (id bigint primary key, body text, embedding vector(8), tenant int default 1)",
      { table: "app.documents", text: "body", name: "docs" },
    );
    const listener = await listen();
    await client.query("insert into app.documents values (1, 'one'), (2, 'two'), (3, 'three'), (4, 'four')");
    await listener.whenDrained();
    await client.query("update app.documents set body = 'former three' where id = 3");
    await listener.whenDrained();
    await listener.stop();
    await client.query("update app.documents set body = 'pending' where id = 4");
    await client.query(`create table app.copy as select * from app.documents;
    ${release}; alter table app.copy rename to documents;
    alter table app.documents add primary key (${key}), alter tenant set default 1;
    update app.documents set body = 'changed' where id = 2;
    update app.documents set body = 'three' where id = 3;
    insert into app.documents values (5, 'new')`);
    const asked = provider.counts.inputs;
    await watchAgain();
    await backfill();
    expect(
      await wrongRows(
        client,
        "(select id as patient_id, body as context_text, embedding from app.documents) t",
      ),
    ).toEqual([]);
    const texts = provider.requests.flatMap((request) => request.texts).slice(asked);
    expect(texts.filter((text) => !text.startsWith("pg-autoembed asks")).sort()).toEqual([
      "changed",
      "new",
      "pending",
    ]);
  },
);

describeNative(
  "A source's problem is recorded although another session holds the source",
  "needs several sessions",
  () => {
    test("A problem that cannot be recorded while a session holds the source is recorded later, and later changes of sources are followed", async () => {
      const { client, database, listen, watchAgain } = await prepareTwoSources();
      const recorded = async (): Promise<string | null | undefined> => {
        const sources = await client.query<{ trouble: string | null }>(
          "select trouble from autoembed.embedding_source where name = 'tickets'",
        );
        return sources.rows[0]?.trouble;
      };
      const listener = await listen();
      const holder = new pg.Client(database.url);
      await holder.connect();
      onTestFinished(() => holder.end());
      await holder.query("begin; select from autoembed.embedding_source where name = 'tickets' for update");
      await client.query("alter table app.tickets rename embedding to vec");
      await vi.waitFor(async () => {
        const [trouble] = (await once(listener.events, "source_failing")) as [{ source: string | undefined }];
        expect(trouble.source).toBeUndefined();
      }, WAIT);
      expect(await recorded()).toBeNull();
      await holder.query("rollback");

      await vi.waitFor(async () => {
        expect(await recorded()).toMatch(/no column embedding/);
      }, WAIT);
      await watchAgain({ vector: "vec" });
      await client.query("insert into app.tickets values (1, 'a', 'embedded again')");
      await listener.whenDrained();
      const { rows } = await client.query("select id from app.tickets where vec is not null");
      expect(rows).toEqual([{ id: 1 }]);
    });
  },
);
