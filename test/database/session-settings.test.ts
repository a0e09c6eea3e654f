import { readFile } from "node:fs/promises";
import pg from "pg";
import { sql } from "kysely";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { pinSession } from "../../src/database/session-settings.ts";
import { migrate } from "../../src/migrate.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare, wrongRows } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { grant, nameIn, role, session } from "../support/roles.ts";
import { openUnmigratedDatabase } from "../support/unmigrated-database.ts";

const SETTINGS = ["search_path", "datestyle", "timezone", "standard_conforming_strings"] as const;
const shown = SETTINGS.map((name) => `current_setting('${name}') as ${name}`).join(", ");

test("a session of ours is pinned, and one of another client of the same server is not", async () => {
  const { client, database } = await prepare();
  await client.query("set datestyle = 'German, DMY'; set timezone = 'Asia/Tokyo'");
  const before = (await client.query<Record<(typeof SETTINGS)[number], string>>(`select ${shown}`)).rows;
  const sessions = [1, 2].map(() =>
    connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true }),
  );
  onTestFinished(async () => {
    await Promise.all(sessions.map((db) => db.destroy()));
  });
  for (let round = 0; round < 2; round++) {
    for (const db of sessions) {
      const { rows } = await sql
        .raw(
          `select ${shown}, current_setting('autoembed.search_path') as own, current_setting('jit') as jit`,
        )
        .execute(db);
      expect(rows).toEqual([
        {
          search_path: "pg_catalog, pg_temp",
          datestyle: "ISO, MDY",
          timezone: "UTC",
          standard_conforming_strings: "on",
          own: before[0]?.search_path,
          jit: "off",
        },
      ]);
    }
    expect((await client.query(`select ${shown}`)).rows).toEqual(before);
  }
});

test("a user trigger that names a table without its schema works when the listener writes, and is given nothing of our settings", async () => {
  const { client, listen } = await prepare();
  await client.query(`drop table if exists seen;
    create table seen (patient_id bigint, ${SETTINGS.map((name) => `${name} text`).join(", ")}, sorts text);
    create or replace function sees() returns trigger language plpgsql as $$ begin
      insert into seen select new.patient_id, ${SETTINGS.map((name) => `current_setting('${name}')`).join(", ")}, current_setting('enable_sort');
      return new;
    end $$;
    create trigger sees before update on patient_embeddings for each row execute function sees()`);
  onTestFinished(async () => {
    await client.query("drop trigger sees on patient_embeddings; drop function sees; drop table seen");
  });
  const own = (await client.query(`select ${shown}`)).rows;
  const listener = await listen();
  await client.query("insert into patient_embeddings values (1, 'one'), (2, 'two'), (3, 'two')");
  await listener.whenDrained(AbortSignal.timeout(30_000));
  await client.query("insert into patient_embeddings values (4, 'two')"); // from the cache
  await listener.whenDrained(AbortSignal.timeout(30_000));
  expect(await wrongRows(client)).toEqual([]);
  const written = (await client.query(`select distinct ${SETTINGS.join(", ")}, sorts from seen`)).rows;
  expect(written).toEqual([{ ...own[0], sorts: "on" }]);
  await client.query("truncate seen");
  await client.query("update patient_embeddings set context_text = '' where patient_id = 1; truncate seen");
  await listener.whenDrained(AbortSignal.timeout(30_000));
  expect((await client.query(`select distinct ${SETTINGS.join(", ")}, sorts from seen`)).rows).toEqual(
    written,
  );
});

test("a text with no ASCII in front is queued by a writer whose standard_conforming_strings is off", async () => {
  const { client } = await prepare();
  await client.query("set standard_conforming_strings = off; set escape_string_warning = off");
  await client.query(
    "insert into patient_embeddings values (1, 'Ärztlicher Brief'), (2, 'plain'), (3, '糖尿病'), (4, '  ')",
  );
  const { rows } = await client.query("select key from autoembed.embedding_queue order by key");
  expect(rows).toEqual([{ key: "1" }, { key: "2" }, { key: "3" }]);
});

test("a change of a text is queued although the writer's settings would show none", async () => {
  const { client } = await prepare();
  await client.query(`drop schema if exists app cascade; create schema app;
    create table app.readings (id bigint primary key, value float8, at timestamptz, note text, embedding vector(${DIMENSIONS}));
    select autoembed.watch('app.readings', 'value::text || at::date::text || regexp_replace(note, $$\\d$$, $$$$)', source_name => 'readings');
    insert into app.readings values (1, 0.1, '2024-05-01 23:30+00', 'a'), (2, 1, '2024-05-01 23:30+00', 'b');
    delete from autoembed.embedding_queue;
    set extra_float_digits = 0; set timezone = 'Asia/Tokyo'; set standard_conforming_strings = off; set escape_string_warning = off`);
  await client.query("update app.readings set value = 0.1 + 1e-17::float8 * 2 where id = 1");
  await client.query("update app.readings set at = '2024-05-02 00:30+00' where id = 2");
  const { rows } = await client.query("select key from autoembed.embedding_queue order by key");
  expect(rows).toEqual([{ key: "1" }, { key: "2" }]);
});

describeNative("A statement that was given up", "needs two sessions at the same time", () => {
  test("A statement that we have given up is ended by the server, and holds no row any longer", async () => {
    const { client, database } = await prepare();
    const db = connect({
      databaseUrl: database.url,
      maxConnections: 1,
      ownSessions: true,
      queryTimeoutMs: 300,
    });
    onTestFinished(() => db.destroy());
    await expect(sql`select pg_sleep(60) as given_up`.execute(db)).rejects.toThrow("timeout");
    const active = async () =>
      (
        await client.query(
          "select from pg_stat_activity where query like '%as given_up%' and state = 'active' and pid <> pg_backend_pid()",
        )
      ).rowCount;
    await expect.poll(active, { timeout: 10_000 }).toBe(0);
  });
});

describeNative("a role's own settings", "needs roles of its own", () => {
  test("give a row no second key, and neither stop nor slow its listener", async () => {
    const { client, database, environment, listen } = await prepare();
    const listenerUrl = await role(client, database.url, "listener");
    const name = nameIn(listenerUrl);
    await grant(client, name);
    await client.query(`drop schema if exists app cascade; create schema app;
      create table app.readings (at timestamptz, value float8, raw bytea, note text, embedding vector(${DIMENSIONS}),
        primary key (at, value, raw));
      insert into app.readings select '2024-05-01 23:30+00'::timestamptz + n * interval '1 day', 0.1 + n, '\\x00ff', 'note ' || n
      from generate_series(1, 20) n;
      select autoembed.watch('app.readings', 'note || at::text', source_name => 'readings');
      grant usage on schema app to ${name}; grant select, update (embedding) on app.readings to ${name};
      alter role ${name} set datestyle = 'German, DMY'; alter role ${name} set timezone = 'America/New_York';
      alter role ${name} set extra_float_digits = -3; alter role ${name} set bytea_output = 'escape';
      alter role ${name} set array_nulls = off; alter role ${name} set quote_all_identifiers = on;
      alter role ${name} set standard_conforming_strings = off; alter role ${name} set search_path = '';
      alter role ${name} set default_transaction_isolation = 'serializable';
      alter role ${name} set default_transaction_read_only = on`);
    await client.query("update app.readings set note = note || '!' where value < 5");
    const backfill = runCommand(["backfill", "--source", "readings"], {
      ...environment,
      DATABASE_URL: listenerUrl,
    });
    expect(await backfill.exited, backfill.stderr()).toBe(0);
    const { rows: left } = await client.query("select key from autoembed.embedding_queue");
    expect(left).toEqual([]);
    const listener = await listen({ DATABASE_URL: listenerUrl });
    await client.query("update app.readings set note = note || '?'");
    await listener.whenDrained(AbortSignal.timeout(30_000));
    const { rows } = await client.query<{ text: string; embedding: string }>(
      "select note || (at at time zone 'utc')::text || '+00' as text, embedding from app.readings",
    );
    expect(rows).toHaveLength(20);
    for (const { text, embedding } of rows) {
      expect(Float32Array.from(JSON.parse(embedding) as number[])).toEqual(oracleVector(text, DIMENSIONS));
    }
    await client.query("delete from app.readings where value < 10; select autoembed.unwatch('readings')");
  });

  test("may leave out the schemas of pgvector and of the tables: it can start, backfill and search", async () => {
    const { environment } = await prepare();
    const database = await openUnmigratedDatabase();
    onTestFinished(() => database.close());
    const client = new pg.Client(database.url);
    await client.connect();
    onTestFinished(() => client.end());
    await client.query("create schema extensions; create extension vector schema extensions");
    const listenerUrl = await role(client, database.url, "listener");
    const name = nameIn(listenerUrl);
    // So is the role that migrates.
    await client.query(`create schema nothing; alter role ${name} set search_path = nothing`);
    await client.query("set search_path = nothing");
    await migrate({
      databaseUrl: `${database.url}?options=-c%20search_path%3Dnothing`,
      dimensions: DIMENSIONS,
    });
    await grant(client, name);
    await client.query(`grant usage on schema extensions to ${name}; select autoembed.grant_search('${name}');
      insert into public.patient_embeddings values (1, 'headache'), (2, 'fracture')`);
    const settings = { ...environment, DATABASE_URL: listenerUrl };
    const backfill = runCommand(["backfill"], settings);
    expect(await backfill.exited, backfill.stderr()).toBe(0);
    const search = runCommand(["search", "headache", "--json"], settings);
    expect(await search.exited, search.stderr()).toBe(0);
    expect(search.stdout()).toMatch(/"key": ?"1"/);
    const found = await (
      await session(listenerUrl)
    ).query("select key from autoembed.search('patient_embeddings', $1::extensions.vector, 1)", [
      JSON.stringify([...oracleVector("fracture", DIMENSIONS)]),
    ]);
    expect(found.rows).toEqual([{ key: "2" }]);
    for (const command of [["doctor"], ["status"], ["index", "patient_embeddings"], ["verify"]]) {
      const run = runCommand(command, { ...settings, DATABASE_URL: database.url });
      await run.exited;
      expect(run.stderr(), command.join(" ")).not.toContain("does not exist");
    }
  });

  test("behind a pooler are what a session of ours is pinned to, once the lines of docs/grants.sql were run", async () => {
    const { client, database } = await prepare();
    const url = await role(client, database.url, "listener");
    const name = nameIn(url);
    await client.query(`alter role ${name} set datestyle = 'German, DMY'; alter role ${name} set timezone = 'Asia/Tokyo';
      alter role ${name} set bytea_output = 'escape'; alter role ${name} set search_path = public`);
    const script = await readFile(new URL("../../docs/grants.sql", import.meta.url), "utf8");
    for (const [, line = ""] of script.matchAll(/^-- +(alter role .*;)$/gm))
      await client.query(line.replace("autoembed_listener", name));
    const settings = async (opened: pg.Client) => {
      const names = [...pinSession(1).always.matchAll(/set_config\('(\w+)', '/g)].map(
        ([, pinned = ""]) => pinned,
      );
      const { rows } = await opened.query<{ name: string; setting: string }>(
        "select name, current_setting(name, true) as setting from unnest($1::text[]) name",
        [names.filter((pinned) => pinned !== "statement_timeout")],
      );
      return rows;
    };
    const pinned = await session(url);
    await pinned.query(pinSession(1_000).always);
    const unpinned = await settings(await session(url));
    expect(unpinned.length).toBeGreaterThan(8);
    expect(unpinned).toEqual(await settings(pinned));
  });

  test.each(["citext", "ltree"])(
    "a key of %s is found by its own operators, by listener, backfill, write-back and triggers",
    async (type) => {
      const { client, environment, listen } = await prepare();
      await client.query(`create extension if not exists ${type}; drop schema if exists app cascade; create schema app;
      create table app.codes (code ${type} primary key, body text, embedding vector(${DIMENSIONS}));
      insert into app.codes select (case when n % 2 = 0 then 'Code' else 'code' end || n)::${type}, 'text ' || n from generate_series(1, 500) n;
      select autoembed.watch('app.codes', 'body', source_name => 'codes')`);
      onTestFinished(async () => {
        await client.query("select autoembed.unwatch('codes')");
        await client.query(`drop schema app cascade; drop extension ${type}`);
      });
      const backfill = runCommand(["backfill", "--source", "codes"], environment);
      expect(await backfill.exited, backfill.stderr()).toBe(0);
      expect((await client.query("select from app.codes where embedding is null")).rowCount).toBe(0);
      const listener = await listen();
      await client.query("update app.codes set body = body || '!'");
      await listener.whenDrained(AbortSignal.timeout(60_000));
      await client.query("delete from app.codes where body like 'text 1%'");
      const { rows } = await client.query<{ body: string; embedding: string }>(
        "select body, embedding from app.codes",
      );
      const kept =
        "select from autoembed.embedding_ledger join autoembed.embedding_source s on s.id = source_id";
      expect((await client.query(`${kept} where s.name = 'codes'`)).rowCount).toBe(rows.length);
      for (const { body, embedding } of rows) {
        expect(Float32Array.from(JSON.parse(embedding) as number[])).toEqual(oracleVector(body, DIMENSIONS));
      }
    },
  );
});
