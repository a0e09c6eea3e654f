import { expect, onTestFinished, test } from "vitest";
import { connect, type Database } from "../../src/database/connect.ts";
import { examineDefiners, examineTrust } from "../../src/doctor/examine-trust.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare, wrongRows } from "../support/listening.ts";
import { grant, nameIn, role, session } from "../support/roles.ts";

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

async function trustOf(url: string, name: string) {
  return await withDatabase(url, async (db) => {
    const { usable, chunked } = await loadSources(db);
    const source = [...usable, ...chunked].find((one) => one.name === name);
    if (source === undefined) throw new Error(`no source ${name} can be worked on`);
    return await examineTrust(db, source);
  });
}

test("Tables that inherit from a watched one are a problem until they are watched too; partitions are none", async () => {
  const { client, database } = await prepare();
  await client.query(`drop schema if exists app cascade; create schema app;
    create table app.papers (id int primary key, body text, embedding vector(${DIMENSIONS}));
    create table app.letters (primary key (id)) inherits (app.papers);
    create table app.notes (primary key (id)) inherits (app.letters);
    create table app.events (id int primary key, body text, embedding vector(${DIMENSIONS})) partition by range (id);
    create table app.events_1 partition of app.events default;
    select autoembed.watch('app.papers', 'body', source_name => 'papers'),
      autoembed.watch('app.events', 'body', source_name => 'events')`);
  expect(await trustOf(database.url, "events")).toEqual([]);
  const found = await trustOf(database.url, "papers");
  expect(found).toMatchObject([{ level: "problem" }]);
  expect(found[0]?.what).toContain('app.letters, app.notes inherit from "app"."papers"');
  await client.query(`select autoembed.watch('app.letters', 'body', source_name => 'letters'),
    autoembed.watch('app.notes', 'body', source_name => 'notes')`);
  expect(await trustOf(database.url, "papers")).toEqual([]);
});

describeNative("`doctor` finds with whose rights code runs for a source", "needs roles of its own", () => {
  test("An owner of the schema who lacks rights of its trigger functions is given these, and no functions that it has", async () => {
    const { client, database } = await prepare();
    const name = nameIn(await role(client, database.url, "heir"));
    const { rows } = await client.query<{ me: string }>("select current_user as me");
    const giveTo = async (owner: string) => {
      await client.query(`alter schema autoembed owner to ${owner}`);
      for (const event of ["insert", "row", "delete", "truncate"])
        await client.query(`alter function autoembed.source_1_${event}() owner to ${owner}`);
    };
    onTestFinished(() => giveTo(rows[0]?.me ?? "postgres"));
    await giveTo(name);
    await client.query("alter table autoembed.embedding_queue enable row level security");
    onTestFinished(async () => {
      await client.query("alter table autoembed.embedding_queue disable row level security");
      await client.query("drop policy if exists autoembed on autoembed.embedding_queue");
    });
    const lacking = async () => (await withDatabase(database.url, (db) => examineDefiners(db, 1)))[0];
    const found = await lacking();
    expect(found?.what).toContain("changes are not queued");
    await client.query((found?.remedy ?? "").replace(/^[^:]*: /, "").replace(/ Then: .*$/, ""));
    expect(await lacking()).toBeUndefined();

    await client.query(`revoke select on patient_embeddings from ${name}`);
    expect(await lacking()).toMatchObject({
      what: `its trigger functions belong to the role ${name}, which lacks select on public.patient_embeddings: what was made from rows that are deleted is not erased at once.`,
      remedy: expect.stringContaining(
        `As a superuser: grant select on public.patient_embeddings to "${name}"; Then: `,
      ) as string,
    });
  });

  test("Trigger functions that were given to a role without rights are a problem, and no write fails for them", async () => {
    const { client, database } = await prepare();
    expect(await trustOf(database.url, "patient_embeddings")).toEqual([]);
    const name = nameIn(await role(client, database.url, "successor"));
    const given = ["insert", "row", "delete", "truncate"].map((event) => `autoembed.source_1_${event}()`);
    const { rows } = await client.query<{ me: string }>("select current_user as me");
    const giveTo = async (owner: string) => {
      for (const f of given) await client.query(`alter function ${f} owner to ${owner}`);
    };
    onTestFinished(() => giveTo(rows[0]?.me ?? "postgres"));
    await giveTo(name);
    await client.query("insert into patient_embeddings values (1, 'one')");
    const problems = await problemsOf(database.url);
    expect(problems).toEqual([
      expect.stringMatching(
        new RegExp(`belong to the role ${name}, which may not write to the queue, .*backfill`),
      ),
    ]);
    const [found, ...others] = await withDatabase(database.url, (db) => examineDefiners(db, 1));
    expect(others).toEqual([]);
    expect(found?.level).toBe("problem");
    expect(found?.what).toMatch(
      new RegExp(`belong to the role ${name}, .*autoembed.embedding_queue.*patient_embeddings`),
    );
    await client.query(found?.remedy?.replace(/^.*?: /, "").replace(/ Then: .*$/, "") ?? "");
    expect(await problemsOf(database.url)).toEqual([]);
    await client.query("insert into patient_embeddings values (2, 'two')");
    const { rows: queued } = await client.query("select key from autoembed.embedding_queue");
    expect(queued).toEqual([{ key: "2" }]);
    expect(await trustOf(database.url, "patient_embeddings")).toEqual([]);
  });

  test("A table of another role's is a warning for a lesser listener, and a problem for one that is a superuser", async () => {
    const { client, database } = await prepare();
    const owner = nameIn(await role(client, database.url, "tenant"));
    const listenerUrl = await role(client, database.url, "listener");
    const listener = nameIn(listenerUrl);
    await grant(client, listener);
    await client.query(`drop table if exists tenants cascade;
      create table tenants (id bigint primary key, body text, embedding vector(${DIMENSIONS}));
      alter table tenants owner to ${owner}; select autoembed.watch('tenants', 'body');
      grant select, update (embedding) on tenants to ${listener}`);
    onTestFinished(async () => {
      await client.query("select autoembed.unwatch('tenants'); drop table tenants");
    });
    expect(await trustOf(database.url, "tenants")).toMatchObject([{ level: "problem" }]);
    expect(await trustOf(listenerUrl, "tenants")).toMatchObject([
      {
        level: "warning",
        what: `public.tenants belongs to the role ${owner}, whose triggers on it run with the rights of ${listener}.`,
      },
    ]);
    expect(await trustOf(listenerUrl, "patient_embeddings")).toEqual([]);
    await client.query(`grant ${owner} to ${listener}`);
    expect(await trustOf(listenerUrl, "tenants")).toEqual([]);
  });

  test.each(["vectors", "chunks"])(
    "A table of %s without the row-level security of its watched table is a warning, a problem once a role may read it, and closed by the remedy",
    async (kind) => {
      const { client, database, listen } = await prepare();
      const listenerUrl = await role(client, database.url, "listener");
      const listenerRole = nameIn(listenerUrl);
      const readerUrl = await role(client, database.url, "reader");
      const reader = nameIn(readerUrl);
      await grant(client, listenerRole);
      const chunks =
        kind === "chunks"
          ? `passage_id bigint generated always as identity primary key, note_id bigint not null references notes
              on delete cascade on update cascade, chunk int not null, start_char int not null, end_char int not null,
              passage text not null,`
          : `note_id bigint primary key references notes on delete cascade on update cascade,`;
      await client.query(`drop table if exists notes, beside cascade;
        create table notes (note_id bigint primary key, body text);
        create table beside (${chunks} embedding vector(${DIMENSIONS}));
        select autoembed.watch('notes', 'body', vector_table => 'beside'
          ${kind === "chunks" ? `, passages => '{"chunk": 800, "overlap": 0, "unit": "characters"}'` : ""});
        grant select, update (note_id) on notes to ${listenerRole};
        grant select, insert, update, delete on beside to ${listenerRole};
        alter table notes enable row level security;
        create policy autoembed on notes to ${listenerRole} using (true);
        create policy but_two on notes for select to ${reader} using (note_id <> 2); grant select on notes to ${reader}`);
      onTestFinished(async () => {
        await client.query("select autoembed.unwatch('notes'); drop table notes, beside cascade");
      });
      expect(await trustOf(listenerUrl, "notes")).toMatchObject([{ level: "warning" }]);
      await client.query(`grant select on beside to ${reader}`);
      const [found, ...others] = await trustOf(listenerUrl, "notes");
      expect(others).toEqual([]);
      expect(found).toMatchObject({ level: "problem", what: expect.stringContaining(reader) as string });

      await client.query(found?.remedy ?? "");
      expect(await trustOf(listenerUrl, "notes")).toEqual([]);
      const listener = await listen({ DATABASE_URL: listenerUrl });
      await client.query("insert into notes values (1, 'one'), (2, 'two')");
      await listener.whenDrained(AbortSignal.timeout(30_000));
      expect(await wrongRows(client)).toEqual([]);
      expect((await client.query("select from beside where embedding is not null")).rowCount).toBe(2);
      const { rows } = await (await session(readerUrl)).query("select note_id from beside");
      expect(rows).toEqual([{ note_id: "1" }]);
    },
  );
});
