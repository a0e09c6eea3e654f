import type pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { connect, type Database } from "../../src/database/connect.ts";
import { examineDefiners } from "../../src/doctor/examine-trust.ts";
import { migrate } from "../../src/migrate.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare, type Listening } from "../support/listening.ts";
import { nameIn, role } from "../support/roles.ts";

const VECTOR = `embedding vector(${DIMENSIONS})`;

/** A table of two columns that is watched by its key `code`. */
async function prepareTable(columns: string, key = "code", by = ""): Promise<Listening> {
  const around = await prepare();
  await around.client.query(`drop schema if exists app cascade; create schema app;
    create table app.t (${columns}, body text, other int, ${VECTOR}) ${by}`);
  await around.client.query(
    "select autoembed.watch('app.t', 'body', key_columns => $1, source_name => 't')",
    [[key]],
  );
  return around;
}

async function queued(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ key: string }>(
    "select key from autoembed.embedding_queue order by key",
  );
  return rows.map(({ key }) => key);
}

async function withDatabase<T>(url: string, work: (db: Database) => Promise<T>): Promise<T> {
  const db = connect({ databaseUrl: url, maxConnections: 1, ownSessions: true });
  try {
    return await work(db);
  } finally {
    await db.destroy();
  }
}

async function problemsOf(url: string): Promise<string[]> {
  return await withDatabase(url, async (db) => (await loadSources(db)).broken.map(({ problem }) => problem));
}

/** Each kind of write; none may fail. */
async function writeAll(client: pg.Client): Promise<void> {
  await client.query("insert into app.t (code, body) values (1, 'one'), (2, 'two')");
  await client.query("insert into app.t (code, body) select n, 'many' from generate_series(10, 100) n");
  await client.query("update app.t set body = 'changed' where code = 1");
  await client.query("update app.t set code = 3 where code = 2");
  await client.query("update app.t set other = 1; delete from app.t where code = 1; truncate app.t");
}

describe("A key that has lost its constraint fails no write, and the source says what to do", () => {
  test("Rows without a key are written and not queued, once the key may be null", async () => {
    const { client, database } = await prepareTable("code int not null unique");
    await client.query("alter table app.t alter code drop not null");
    await client.query("insert into app.t (code, body) values (null, 'one'), (7, 'seven')");
    await client.query("insert into app.t (body) select 'many' from generate_series(1, 100)");
    await client.query("update app.t set body = 'changed'; delete from app.t where code is null");
    expect(await queued(client)).toEqual(["7"]);
    expect(await problemsOf(database.url)).toEqual([
      expect.stringContaining("the key (code) of app.t is not unique and not null any more"),
    ]);
  });

  test("Rows with one key are written by one statement and by several, and get no vector of one another", async () => {
    const { client, database, listen } = await prepareTable("code int primary key");
    const listener = await listen();
    await client.query("insert into app.t (code, body) values (1, 'one')");
    await listener.whenDrained();
    await expect.poll(() => queued(client)).toEqual([]);
    await client.query("alter table app.t drop constraint t_pkey");
    await client.query("insert into app.t (code, body) values (1, 'other one'), (1, 'third one')");
    await client.query("insert into app.t (code, body) select 2, 'many' from generate_series(1, 100)");
    await client.query("update app.t set body = body || '!' where code = 2");
    await expect
      .poll(() => client.query("select from autoembed.embedding_source where trouble like '%not unique%'"), {
        timeout: 30_000,
      })
      .toMatchObject({ rowCount: 1 });
    expect(await queued(client)).toEqual(["1", "2"]);
    const { rows } = await client.query("select body from app.t where embedding is not null");
    expect(rows).toEqual([{ body: "one" }]);
    expect(await problemsOf(database.url)).toEqual([expect.stringContaining("give it back its primary key")]);
  });
});

describe("A schema autoembed that is not there under its name fails no write", () => {
  test.each([
    ["an ordinary table", ""],
    ["a partitioned table", "partition by range (code)"],
  ])("All writes to %s go through, with a warning, while the schema has another name", async (_what, by) => {
    const { client } = await prepareTable("code int primary key", "code", by);
    if (by !== "") await client.query("create table app.t_1 partition of app.t default");
    await client.query("insert into app.t (code, body) values (0, 'before'), (-1, 'also before')");
    const warnings: string[] = [];
    client.on("notice", ({ message }) => warnings.push(message ?? ""));
    // Each write in a transaction of its own, as users' are: a function finds out each time.
    await client.query("alter schema autoembed rename to elsewhere");
    try {
      await writeAll(client);
      await client.query("insert into app.t (code, body) values (0, 'after')");
    } finally {
      await client.query("alter schema elsewhere rename to autoembed");
    }
    expect(warnings).toContainEqual(expect.stringContaining("a change of app.t was not queued"));
    const { rows } = await client.query("select code, body from app.t");
    expect(rows).toEqual([{ code: 0, body: "after" }]);
  });
});

describe("A key that is written in another way is the same key", () => {
  test.each([
    ["numeric", "1.0", "1.00"],
    ["double precision", "-0", "0"],
    ["interval", "1 month", "30 days"],
    ["jsonb", '{"a": 1.0}', '{"a": 1.00}'],
  ])(
    "A row whose key of type %s changes from %s to %s is embedded once, fails for nothing and leaves nothing behind",
    async (type, before, after) => {
      const { client, listen } = await prepareTable(`code ${type} primary key`);
      const listener = await listen();
      await client.query("insert into app.t (code, body) values ($1, 'one')", [before]);
      await listener.whenDrained();
      await client.query("update app.t set body = 'two'");
      await listener.whenDrained();
      await client.query("update app.t set code = $1, body = 'three'", [after]);
      await listener.whenDrained();
      expect(await queued(client)).toEqual([]);
      await client.query("delete from app.t");
      const { rows } = await client.query(
        "select key from autoembed.embedding_ledger union all select key from autoembed.embedding_cache",
      );
      expect(rows).toEqual([]);
    },
  );
});

describeNative("A role that may not write to our tables fails no write", "needs roles of its own", () => {
  test.each([
    ["lacks all rights", "usage on schema autoembed", "select 1"],
    [
      "may use the schema and nothing in it",
      "select, update, delete on autoembed.embedding_cache",
      "grant usage on schema autoembed to successor",
    ],
    [
      "may not execute our functions",
      "execute on function autoembed.check_queue_is_writable()",
      `grant usage on schema autoembed to successor; grant all on all tables in schema autoembed to successor;
       grant all on all sequences in schema autoembed to successor`,
    ],
    [
      "may not take a ticket",
      "usage on sequence autoembed.embedding_ticket",
      `grant usage on schema autoembed to successor; grant all on all tables in schema autoembed to successor;
       grant execute on all functions in schema autoembed to successor`,
    ],
    [
      "is kept out by row-level security",
      "a policy on autoembed.embedding_queue for all rows",
      `grant usage on schema autoembed to successor; grant all on all tables in schema autoembed to successor;
       grant all on all sequences in schema autoembed to successor; grant execute on all functions in schema autoembed to successor;
       alter table autoembed.embedding_queue enable row level security`,
    ],
  ])(
    "All writes go through, with a warning, where the owner of the trigger functions %s",
    async (_what, lacks, grants) => {
      const { client, database } = await prepareTable("code int primary key");
      const name = nameIn(await role(client, database.url, "successor"));
      onTestFinished(async () => {
        await client.query(`alter table autoembed.embedding_queue disable row level security`);
      });
      const { rows } = await client.query<{ f: string }>(
        `select p.oid::regprocedure::text as f from pg_trigger g join pg_proc p on p.oid = g.tgfoid
         where g.tgrelid = 'app.t'::regclass group by 1`,
      );
      const { rows: me } = await client.query<{ role: string }>("select current_user::text as role");
      for (const { f } of rows) await client.query(`alter function ${f} owner to ${name}`);
      onTestFinished(async () => {
        for (const { f } of rows) await client.query(`alter function ${f} owner to ${me[0]?.role ?? ""}`);
      });
      await client.query(grants.replaceAll("successor", name));
      expect(await problemsOf(database.url)).toEqual([
        expect.stringContaining(`belong to the role ${name}, which may not write to the queue`),
      ]);
      const { rows: ids } = await client.query<{ id: number }>(
        "select id from autoembed.embedding_source where name = 't'",
      );
      const found = await withDatabase(database.url, (db) => examineDefiners(db, ids[0]?.id ?? 0));
      expect(found.map(({ level }) => level)).toEqual(["problem"]);
      expect(found[0]?.what).toContain(lacks);
      const warnings: string[] = [];
      client.on("notice", ({ message }) => warnings.push(message ?? ""));
      await writeAll(client);
      expect(warnings.filter((warning) => warning.includes("a change of app.t was not queued"))).not.toEqual(
        [],
      );
      expect(await queued(client)).toEqual([]);
      // Nothing else that is wrong may say that changes are still queued.
      await client.query("alter table app.t drop constraint t_pkey");
      expect(await problemsOf(database.url)).toEqual([
        expect.stringContaining(`belong to the role ${name}, which may not write to the queue`),
      ]);
    },
  );

  test("A write asks for no policies of a queue that has no row-level security", async () => {
    const { client } = await prepareTable("code int primary key");
    await client.query("begin; set local track_functions = 'all'");
    await client.query("insert into app.t (code, body) values (1, 'one')");
    const { rows } = await client.query<{ called: string[] }>(
      "select array_agg(funcname::text) as called from pg_stat_xact_user_functions where schemaname = 'autoembed'",
    );
    await client.query("rollback");
    expect(rows[0]?.called).toContain("check_queue_is_writable");
    expect(rows[0]?.called).not.toContain("hides_rows");
  });

  test("An owner of trigger functions that could not execute ours may after `migrate`, and its changes are queued", async () => {
    const { client, database } = await prepareTable("code int primary key");
    const name = nameIn(await role(client, database.url, "successor"));
    const { rows } = await client.query<{ f: string; me: string }>(
      `select p.oid::regprocedure::text as f, current_user::text as me from pg_trigger g join pg_proc p on p.oid = g.tgfoid
       where g.tgrelid = 'app.t'::regclass group by 1`,
    );
    await client.query(`grant usage on schema autoembed, app to ${name};
      grant all on all tables in schema autoembed, app to ${name};
      grant all on all sequences in schema autoembed to ${name}`);
    for (const { f } of rows) await client.query(`alter function ${f} owner to ${name}`);
    onTestFinished(async () => {
      for (const { f, me } of rows) await client.query(`alter function ${f} owner to ${me}`);
      await client.query(`drop owned by ${name}`);
    });
    expect(await problemsOf(database.url)).toHaveLength(1);
    await migrate({ databaseUrl: database.url, dimensions: DIMENSIONS });
    expect(await problemsOf(database.url)).toEqual([]);
    await client.query("insert into app.t (code, body) values (1, 'one'), (2, 'two')");
    await client.query("update app.t set code = 3 where code = 2");
    expect(await queued(client)).toEqual(["1", "2", "3"]);
  });

  test.each([
    ["its index", "constraint embedding_queue_pkey", "42P10"],
    ["the column first_ticket", "column first_ticket", "42703"],
    ["the column last_error", "column last_error", "42703"],
    ["the column tenant", "column tenant", "42703"],
  ])("A queue that has lost %s fails no write, and warns once per transaction", async (_, lost, code) => {
    const { client } = await prepareTable("code int primary key");
    const warnings: string[] = [];
    client.on("notice", ({ message }) => warnings.push(message ?? ""));
    await client.query(`begin; alter table autoembed.embedding_queue drop ${lost}`);
    await writeAll(client);
    await client.query("rollback");
    expect(warnings).toEqual([expect.stringContaining(`(SQLSTATE ${code})`)]);
  });

  test("A lock of our table that cannot be had in time fails the write: the change would be lost otherwise", async () => {
    const { client, database } = await prepareTable("code int primary key");
    const holder = new (await import("pg")).default.Client(database.url);
    await holder.connect();
    onTestFinished(() => holder.end());
    await holder.query("begin; lock table autoembed.embedding_queue in access exclusive mode");
    await client.query("set lock_timeout = '50ms'");
    await expect(client.query("insert into app.t (code, body) values (1, 'one')")).rejects.toMatchObject({
      code: "55P03",
    });
    await holder.query("rollback");
    await client.query("reset lock_timeout; insert into app.t (code, body) values (1, 'one')");
    expect(await queued(client)).toEqual(["1"]);
  });
});
