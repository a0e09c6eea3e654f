import { mkdtemp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { migrate } from "../../src/migrate.ts";
import { readMigrationFiles } from "../../src/migrate/migration-files.ts";
import { printMigrations } from "../../src/migrate/print.ts";
import { VERSION } from "../../src/version.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { graphileMigrate } from "../support/graphile-migrate.ts";
import { grant, nameIn, role } from "../support/roles.ts";
import { withClient } from "../support/with-client.ts";
import { openUnmigratedDatabase } from "../support/unmigrated-database.ts";
import { startProviderServer } from "../support/provider-server.ts";

async function emptyDatabase(): Promise<{ databaseUrl: string; client: pg.Client }> {
  const database = await openUnmigratedDatabase();
  onTestFinished(() => database.close());
  const client = new pg.Client(database.url);
  await client.connect();
  onTestFinished(() => client.end());
  return { databaseUrl: database.url, client };
}

/** What `migrate` says that it does. */
async function messagesOf(databaseUrl: string): Promise<string[]> {
  const messages: string[] = [];
  await migrate({ databaseUrl, dimensions: 8, onMessage: (message) => messages.push(message) });
  return messages;
}

/** As committed by the release that brought them; a released file is never edited. */
const RELEASED = {
  "000001-tables.sql": "sha1:4e635cc4d6788dab603890840d2eee7436d75852",
  "000002-patient-embeddings.sql": "sha1:17ef603cdefa25e541d4cb579adb46863d29e9dd",
  "000003-usage-teaches-dry-runs.sql": "sha1:66daa1f9b75fc96afc2ad77f9e3ecd5cff3875c1",
  "000004-ledger.sql": "sha1:fbe285869f956535f0511b70510aee158f8e0913",
  "000005-backfill-by-ranges.sql": "sha1:5639bbde231705dd2c4f05b8c82c668e1fd6c3f9",
  "000006-any-backend.sql": "sha1:73ed1812cb73d55bd262cc888de0b649e622c08a",
  "000007-questions-from-sql.sql": "sha1:b1924d3ffca5a10fab884874d5b52bd61a313724",
  "000008-batches.sql": "sha1:447d3b30e6aff25b2c5108acfe3f39526ed77d2b",
  "000009-spending.sql": "sha1:589086d46b08e0b73cad50b995ad9519e21df7b4",
  "000010-batch-hashes.sql": "sha1:c81c5c126e8355362084f2a2981fdbc1c98692d2",
  "000011-waits.sql": "sha1:8d6beedbca1f19cb2af5eeec9c7327546f9e7442",
  "000012-tickets-may-repeat.sql": "sha1:40a8b0165926460b689e5385c309f4574e5d1c12",
};

/** A database as it was before 000004, with the functions of the present. */
const UNDO_LEDGER = `
  drop table autoembed.embedding_spending, autoembed.embedding_page, autoembed.embedding_backfill, autoembed.embedding_question, autoembed.embedding_ledger;
  drop table autoembed.embedding_model;
  alter table autoembed.embedding_cache drop column source_id, drop column key;
  drop index autoembed.embedding_cache_age;
  alter table autoembed.embedding_source drop column current_model;
  delete from autoembed.migration where filename between '000004' and '000006' or filename like '000009%'`;

test("every released migration is what it was when it was released", async () => {
  const { committed } = await readMigrationFiles();
  const hashes = Object.fromEntries(committed.map(({ filename, hash }) => [filename, hash]));
  expect(hashes).toMatchObject(RELEASED);
});

test("docs/install.md shows every migration in what `migrate` prints", async () => {
  const { committed } = await readMigrationFiles();
  const printed = (await readFile("docs/install.md", "utf8")).matchAll(/Applying (0\d{5}-[\w-]+\.sql)/g);
  const names = committed.map(({ filename }) => filename);
  expect([...printed].map(([, filename]) => filename)).toEqual([...names, ...names]);
});

test("a committed migration that was edited is refused before anything is run", async () => {
  const folder = await mkdtemp(join(tmpdir(), "migrations-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const name of ["committed", "once", "functions", "triggers", "from-0.1"])
    await mkdir(join(folder, name));
  const file = await readFile("migrations/committed/000001-tables.sql", "utf8");
  await writeFile(join(folder, "committed/000001-tables.sql"), file.replace("text not null", "text"));
  await expect(readMigrationFiles(folder)).rejects.toThrow("000001-tables.sql is not what was signed");
});

describe("npm run migrate", () => {
  test("applies tables, functions and the sample table's triggers once, and nothing the second time", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    expect(await messagesOf(databaseUrl)).toEqual([
      "Applying 000001-tables.sql",
      "Applying 000002-patient-embeddings.sql",
      "Applying 000003-usage-teaches-dry-runs.sql",
      "Applying 000004-ledger.sql",
      "Applying 000005-backfill-by-ranges.sql",
      "Applying 000006-any-backend.sql",
      "Applying 000007-questions-from-sql.sql",
      "Applying 000008-batches.sql",
      "Applying 000009-spending.sql",
      "Applying 000010-batch-hashes.sql",
      "Applying 000011-waits.sql",
      "Applying 000012-tickets-may-repeat.sql",
      "Applying 000013-tenants.sql",
      "Applying 000014-key-types.sql",
      "Applying 000015-first-tickets.sql",
      `Applying functions of ${VERSION}`,
      "Applying once/000002-watch-patient-embeddings.sql",
    ]);
    expect(await messagesOf(databaseUrl)).toEqual([]);
    const { rows } = await client.query(
      "select filename, version from autoembed.migration order by applied_at, filename",
    );
    expect(rows).toEqual(
      [
        "000001-tables.sql",
        "000002-patient-embeddings.sql",
        "000003-usage-teaches-dry-runs.sql",
        "000004-ledger.sql",
        "000005-backfill-by-ranges.sql",
        "000006-any-backend.sql",
        "000007-questions-from-sql.sql",
        "000008-batches.sql",
        "000009-spending.sql",
        "000010-batch-hashes.sql",
        "000011-waits.sql",
        "000012-tickets-may-repeat.sql",
        "000013-tenants.sql",
        "000014-key-types.sql",
        "000015-first-tickets.sql",
        "functions",
        "once/000002-watch-patient-embeddings.sql",
      ].map((filename) => ({ filename, version: VERSION })),
    );
  });

  test("passes whatever isolation, access mode and path the sessions of the database have by default", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    const { rows } = await client.query<{ name: string }>("select quote_ident(current_database()) as name");
    for (const setting of [
      "default_transaction_isolation = serializable",
      "default_transaction_read_only = on",
      "search_path = nowhere",
      "quote_all_identifiers = on",
    ])
      await client.query(`alter database ${rows[0]?.name ?? ""} set ${setting}`);
    expect(await messagesOf(databaseUrl)).not.toEqual([]);
    expect(await messagesOf(databaseUrl)).toEqual([]);
  });

  test("of a database without the schema public says what to make", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    await client.query("drop schema public cascade");
    await expect(migrate({ databaseUrl, dimensions: 8 })).rejects.toMatchObject({
      message: expect.stringContaining("no schema public") as string,
      remedy: expect.stringContaining("create schema public;") as string,
    });
    await client.query("create schema public");
    await migrate({ databaseUrl, dimensions: 8 });
  });

  test("takes tables of a user's for version 0.1 only if they are that version's", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    await client.query(
      "create table public.embedding_source (x int); create table public.embedding_reservation (x int)",
    );
    expect(await messagesOf(databaseUrl)).toContain("Applying 000001-tables.sql");
  });

  test("does not watch the sample table again once a user has stopped watching it", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    await migrate({ databaseUrl, dimensions: 8 });
    await client.query("select autoembed.unwatch('patient_embeddings')");
    await migrate({ databaseUrl, dimensions: 8 });
    expect((await client.query("select from autoembed.embedding_source")).rowCount).toBe(0);
  });

  test("refuses a database in which a migration was applied as another file, and one that is newer", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    await migrate({ databaseUrl, dimensions: 8 });
    await client.query(
      "update autoembed.migration set hash = 'sha1:other' where filename = '000001-tables.sql'",
    );
    await expect(migrate({ databaseUrl, dimensions: 8 })).rejects.toThrow(
      "000001-tables.sql was applied to this database as another file",
    );
    await client.query(`delete from autoembed.migration where filename = '000001-tables.sql';
      insert into autoembed.migration (filename, hash, version) values ('000099-future.sql', 'sha1:x', '9.0.0')`);
    await expect(migrate({ databaseUrl, dimensions: 8 })).rejects.toThrow(
      "The database is newer than this code: it has 000099-future.sql, and was migrated by version 9.0.0",
    );
  });

  test("applies functions again when theirs is another hash, keeps what was granted on them, and leaves newer ones alone", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    await migrate({ databaseUrl, dimensions: 8 });
    await client.query(`update autoembed.migration set hash = 'sha1:other', version = '0.0.1' where filename = 'functions';
      create or replace function autoembed.key_sql(row_alias text, key_columns text[]) returns text language sql as 'select 1::text'`);
    expect(await messagesOf(databaseUrl)).toContain(`Applying functions of ${VERSION}`);
    const { rows } = await client.query("select autoembed.key_sql('t', array['id']) as key");
    expect(rows).toEqual([{ key: '(t.id::text collate "default")' }]);

    await client.query(
      "update autoembed.migration set hash = 'sha1:other', version = '99.0.0' where filename = 'functions'",
    );
    expect(await messagesOf(databaseUrl)).toEqual([]);
  });

  test("replaces trigger functions that are outdated, and triggers that are missing", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    await migrate({ databaseUrl, dimensions: 8 });
    await client.query(`create or replace function autoembed.source_1_row() returns trigger language plpgsql security definer
        as 'begin return null; end';
      update autoembed.embedding_source set triggers = triggers || '{"source_1_delete": "old"}';
      drop trigger autoembed_1_truncate on patient_embeddings`);
    const outdated = "select autoembed.outdated_triggers(s) as names from autoembed.embedding_source s";
    const names = ["autoembed_1_truncate", "source_1_delete", "source_1_row"];
    expect((await client.query(outdated)).rows).toEqual([{ names }]);
    expect(await messagesOf(databaseUrl)).toEqual([
      `patient_embeddings: ${names.join(", ")} brought up to date`,
    ]);
    expect((await client.query(outdated)).rows).toEqual([{ names: [] }]);
    await client.query("insert into patient_embeddings values (1, 'one'); truncate patient_embeddings");
    expect((await client.query("select from autoembed.embedding_queue")).rowCount).toBe(0);
  });

  test("applies functions again that were dropped, replaced or given other settings by hand", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    await migrate({ databaseUrl, dimensions: 8 });
    for (const change of [
      "drop function autoembed.is_watched(integer, oid)",
      "create or replace function autoembed.move_ledger(source_id integer, old_key text, new_key text) returns void language sql strict as 'select null::void'",
      "alter function autoembed.outdated_triggers reset all",
      "alter function autoembed.outdated_triggers security invoker",
      "alter function autoembed.change_key set row_security = off",
      "do $$ begin execute (select 'drop function ' || min(oid)::regprocedure from pg_proc where proname = 'search_as_json'); end $$",
    ]) {
      await client.query(change);
      expect(await messagesOf(databaseUrl), change).toEqual([`Applying functions of ${VERSION}`]);
      expect(await messagesOf(databaseUrl), change).toEqual([]);
    }
    // Those of a newer version are left alone.
    await client.query(`drop function autoembed.is_watched(integer, oid);
      update autoembed.migration set hash = 'sha1:other', version = '99.0.0' where filename = 'functions'`);
    expect(await messagesOf(databaseUrl)).toEqual([]);
  });

  test("replaces trigger functions with other settings, and triggers that fire for less than they should", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    await migrate({ databaseUrl, dimensions: 8 });
    await client.query(`create table events (at timestamptz primary key, body text, embedding vector(8));
      select autoembed.watch('events', 'body')`);
    const update = "create or replace trigger autoembed_1_update after";
    const row = "on patient_embeddings for each row execute function autoembed.source_1_row()";
    const row2 = "on patient_embeddings for each row when (false) execute function autoembed.source_1_row()";
    for (const [change, name] of [
      ["alter function autoembed.source_1_row() reset all", "patient_embeddings: source_1_row"],
      [
        "alter function autoembed.source_1_row() set search_path = public",
        "patient_embeddings: source_1_row",
      ],
      ["alter function autoembed.source_1_row() set row_security = off", "patient_embeddings: source_1_row"],
      ["alter function autoembed.source_2_insert() reset timezone", "events: source_2_insert"],
      [`${update} update ${row2}`, "patient_embeddings: autoembed_1_update"],
      [`${update} update of patient_id ${row}`, "patient_embeddings: autoembed_1_update"],
      [`${update} insert ${row}`, "patient_embeddings: autoembed_1_update"],
    ]) {
      await client.query(String(change));
      expect(await messagesOf(databaseUrl), change).toEqual([`${name} brought up to date`]);
      expect(await messagesOf(databaseUrl), change).toEqual([]);
    }
  });

  test("replaces a trigger that names columns, as earlier versions made it, so that the columns can be changed and dropped", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    await migrate({ databaseUrl, dimensions: 8 });
    await client.query(`create or replace trigger autoembed_1_update after update on patient_embeddings for each row
        when (old.context_text is distinct from new.context_text) execute function autoembed.source_1_row();
      update autoembed.embedding_source set triggers = triggers || '{"autoembed_1_update": "old"}'`);
    const alter = "alter table patient_embeddings alter context_text type varchar";
    await expect(client.query(alter)).rejects.toMatchObject({ code: "0A000" });
    expect(await messagesOf(databaseUrl)).toEqual([
      "patient_embeddings: autoembed_1_update brought up to date",
    ]);
    await client.query(alter);
    await client.query("alter table patient_embeddings drop context_text");
  });

  test("leaves a source alone whose key column is gone, and says so", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    await migrate({ databaseUrl, dimensions: 8 });
    await client.query(`create table notes (id bigint primary key, body text, embedding vector(8));
      create table dropped (id bigint primary key, body text, embedding vector(8));
      select autoembed.watch('notes', 'body'); select autoembed.watch('dropped', 'body');
      alter table notes rename id to number; drop table dropped;
      update autoembed.embedding_source set triggers = '{}'`);
    expect(await messagesOf(databaseUrl)).toEqual([
      expect.stringMatching(/^patient_embeddings: .* brought up to date$/),
      "notes: its triggers could not be brought up to date: table public.notes has no column id. Watch it again.",
    ]);
  });
});

describeNative("npm run migrate on a server", "needs several databases and connections", () => {
  test("from three deploys at once, and again, ends with one schema", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    await Promise.all([1, 2, 3].map(() => migrate({ databaseUrl, dimensions: 8 })));
    await migrate({ databaseUrl, dimensions: 8 });
    const { rows } = await client.query("select name from autoembed.embedding_source");
    expect(rows).toEqual([{ name: "patient_embeddings" }]);
  });

  test("passes while there is always somebody who has read one of our tables and comes to the next", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    await migrate({ databaseUrl, dimensions: 8 });
    await client.query(UNDO_LEDGER);
    const readers = new AbortController();
    const reading = [1, 2, 3].map(() =>
      withClient(databaseUrl, async (reader) => {
        while (!readers.signal.aborted) {
          await reader.query("begin; select from autoembed.embedding_source");
          await delay(20);
          await reader.query("select from autoembed.embedding_cache; commit");
        }
      }),
    );
    const messages = await messagesOf(databaseUrl).finally(() => {
      readers.abort();
    });
    await Promise.all(reading);
    expect(messages.slice(-3)).toEqual([
      "Applying 000004-ledger.sql",
      "Applying 000005-backfill-by-ranges.sql",
      "Applying 000009-spending.sql",
    ]);
  });

  test("replaces the functions of triggers without waiting for a transaction that holds their table", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    await migrate({ databaseUrl, dimensions: 8 });
    await client.query(
      `update autoembed.embedding_source set triggers = triggers || '{"source_1_row": "old"}'`,
    );
    await client.query(
      `begin; insert into patient_embeddings values (1, 'one'); lock table patient_embeddings in access exclusive mode`,
    );
    expect(await messagesOf(databaseUrl)).toEqual(["patient_embeddings: source_1_row brought up to date"]);
    await client.query("commit");
  });

  test("waits for a transaction that writes to a table, and not for one that reads it, where a trigger itself has to be replaced", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    await migrate({ databaseUrl, dimensions: 8 });
    const outdated = `update autoembed.embedding_source set triggers = triggers || '{"autoembed_1_truncate": "old"}'`;
    await client.query(outdated);
    await client.query("begin; select from patient_embeddings");
    expect(await messagesOf(databaseUrl)).toEqual([
      "patient_embeddings: autoembed_1_truncate brought up to date",
    ]);
    await client.query("commit");
    await client.query(outdated);
    await client.query("begin; insert into patient_embeddings values (1, 'one')");
    const migrated = messagesOf(databaseUrl);
    const waiting = `select from pg_locks where not granted and relation = 'patient_embeddings'::regclass
      and database = (select oid from pg_database where datname = current_database())`;
    await expect
      .poll(async () => (await client.query(waiting)).rowCount, { timeout: 10_000 })
      .toBeGreaterThan(0);
    await client.query("commit");
    expect(await migrated).toEqual(["patient_embeddings: autoembed_1_truncate brought up to date"]);
  });

  test("and graphile-migrate of an application leave each other's history alone", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    const folder = await mkdtemp(join(tmpdir(), "application-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    await mkdir(join(folder, "committed"));
    let previous = "-";
    const commit = async (number: number): Promise<void> => {
      const body = `create table step_${number} ();\n`;
      const hash = `sha1:${createHash("sha1")
        .update(previous === "-" ? body : `${previous}\n${body}`)
        .digest("hex")}`;
      const text = `--! Previous: ${previous}\n--! Hash: ${hash}\n\n${body}`;
      await writeFile(join(folder, `committed/00000${number}.sql`), text);
      previous = hash;
    };
    const history = async (): Promise<readonly object[]> => {
      const { rows } = await client.query<object>(
        "select * from graphile_migrate.migrations order by filename",
      );
      return rows;
    };

    await commit(1);
    await graphileMigrate(databaseUrl, folder);
    const before = await history();
    expect(await messagesOf(databaseUrl)).toContain("Applying 000001-tables.sql");
    expect(await history()).toEqual(before);
    await commit(2);
    await commit(3);
    await graphileMigrate(databaseUrl, folder);
    expect(await history()).toHaveLength(3);
    expect(await messagesOf(databaseUrl)).toEqual([]);
    expect((await client.query("select from step_1, step_2, step_3")).rowCount).toBe(0);
  });

  test("finds everything up to date after `--print` was applied by psql", async () => {
    const { databaseUrl } = await emptyDatabase();
    const printed = runCommand(["migrate", "--print"], { EMBEDDING_DIM: "8" });
    expect(await printed.exited, printed.stderr()).toBe(0);
    expect(printed.stdout()).toBe(await printMigrations(8));
    await applyByPsql(databaseUrl, printed.stdout());
    expect(await messagesOf(databaseUrl)).toEqual([]);
    const migrated = runCommand(["migrate"], { DATABASE_URL: databaseUrl, EMBEDDING_DIM: "8" });
    expect(await migrated.exited).toBe(0);
    expect(migrated.stdout()).toContain("The database is up to date");
  });

  test("`--print --after` refuses a name that is no file of tables", async () => {
    for (const name of ["once/000002-watch-patient-embeddings.sql", "functions", "000014", "zzz", ""]) {
      const printed = runCommand(["migrate", "--print", "--after", name], { EMBEDDING_DIM: "8" });
      expect(await printed.exited, name).toBe(2);
      expect(printed.stdout()).toBe("");
      expect(printed.stderr()).toContain(
        `${JSON.stringify(name)} is no file of tables of version ${VERSION}.`,
      );
    }
  });

  test("`--print --after` gives what comes after a file, and it can be applied to a database that has that", async () => {
    const { databaseUrl } = await emptyDatabase();
    await migrate({ databaseUrl, dimensions: 8 });
    const printed = await printMigrations(8, "000015-first-tickets.sql");
    expect(printed).not.toContain("create table");
    expect(printed).toContain("create or replace function autoembed.watch(");
    await applyByPsql(databaseUrl, printed);
    expect(await messagesOf(databaseUrl)).toEqual([]);
  });

  test("`npm start` on a database that is not migrated, or by an older version, says what to run", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    const start = runCommand(["start"], { DATABASE_URL: databaseUrl });
    expect(await start.exited).toBe(1);
    expect(start.stderr()).toContain("This database has not been migrated.\nRun: npm run migrate");

    await migrate({ databaseUrl, dimensions: 8 });
    await client.query(
      "update autoembed.migration set hash = 'sha1:other', version = '0.1.9' where filename = 'functions'",
    );
    const again = runCommand(["start"], { DATABASE_URL: databaseUrl });
    expect(await again.exited).toBe(1);
    expect(again.stderr()).toContain(
      "This database was migrated by an older version (0.1.9).\nRun: npm run migrate",
    );
  });

  test("a provider whose vectors do not fit stops at once and names EMBEDDING_DIM", async () => {
    const { databaseUrl } = await emptyDatabase();
    await migrate({ databaseUrl, dimensions: 8 });
    const provider = await startProviderServer({ dimensions: 512 });
    onTestFinished(() => provider.close());
    const start = runCommand(["start"], {
      DATABASE_URL: databaseUrl,
      EMBEDDING_BACKEND: "llm_api",
      OPENAI_BASE_URL: provider.url,
    });
    expect(await start.exited).toBe(1);
    expect(start.stderr()).toContain("makes vectors of 512 dimensions");
    expect(start.stderr()).toContain("EMBEDDING_DIM=8");
  });

  test("run by the role of a listener, on a database that is up to date, changes nothing and reports nothing", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    await migrate({ databaseUrl, dimensions: 8 });
    const listenerUrl = await role(client, databaseUrl, "listener");
    await grant(client, nameIn(listenerUrl));
    await client.query("grant execute on function autoembed.key_sql(text, text[]) to public");
    const rights =
      "select relacl::text from pg_class where relnamespace = 'autoembed'::regnamespace order by oid";
    const before = await client.query(rights);
    expect(await messagesOf(listenerUrl)).toEqual([]);
    expect((await client.query(rights)).rows).toEqual(before.rows);
  });

  test("a role that may not create is told who may", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    await client.query("create extension vector");
    const url = await role(client, databaseUrl, "lesser");
    await expect(migrate({ databaseUrl: url, dimensions: 8 })).rejects.toThrow(
      "may not migrate this database",
    );
  });

  test("a schema autoembed of another role is refused, and so is a table patient_embeddings", async () => {
    const { databaseUrl, client } = await emptyDatabase();
    const other = nameIn(await role(client, databaseUrl, "other"));
    await client.query(`create schema autoembed authorization ${other}`);
    await expect(migrate({ databaseUrl, dimensions: 8 })).rejects.toMatchObject({
      message: expect.stringContaining(`the schema autoembed belongs to the role ${other}`) as string,
      remedy: expect.stringContaining("drop schema autoembed") as string,
    });
    await client.query(`drop schema autoembed; create table patient_embeddings (patient_id bigint primary key);
      alter table patient_embeddings owner to ${other}`);
    await expect(migrate({ databaseUrl, dimensions: 8 })).rejects.toThrow(
      "the table public.patient_embeddings belongs to another role",
    );
  });
});

/** As `psql --single-transaction` does: one simple query, one transaction. It prints nothing. */
async function applyByPsql(databaseUrl: string, script: string): Promise<void> {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  try {
    const results = [await client.query(script)].flat();
    expect(results.length).toBeGreaterThan(20);
    expect(results.flatMap(({ fields }) => fields)).toEqual([]);
  } finally {
    await client.end();
  }
}
