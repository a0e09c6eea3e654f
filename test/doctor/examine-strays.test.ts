import { expect, test } from "vitest";
import { examineStrays } from "../../src/doctor/examine-strays.ts";
import { openMigrated } from "../support/migrated.ts";

test("`doctor` names a table whose triggers a restore brought without their source, until these are dropped", async () => {
  const { client, db } = await openMigrated();
  await client.query(`create schema app; create table app."Old notes" (id int primary key, body text, embedding vector(8));
    select autoembed.watch('app."Old notes"', 'body', source_name => 'notes')`);
  expect(await examineStrays(db)).toEqual([]);
  await client.query("delete from autoembed.embedding_source where name = 'notes'");
  const [stray, ...others] = await examineStrays(db);
  expect(others).toEqual([]);
  expect(stray).toMatchObject({
    level: "problem",
    what: 'app."Old notes" has triggers of pg-autoembed, but no source watches it: its changes are not queued.',
  });
  await client.query(stray?.remedy?.replace(/^Drop these: (.*) To have .*$/, "$1") ?? "");
  expect(await examineStrays(db)).toEqual([]);
});

test("`doctor` names the triggers of another source's number on a watched table, and none of its partitions", async () => {
  const { client, db } = await openMigrated();
  await client.query(`create schema app;
    create table app.notes (id int primary key, body text, embedding vector(8)) partition by range (id);
    create table app.notes_1 partition of app.notes for values from (0) to (10);
    create table app.other (id int primary key, body text, embedding vector(8));
    select autoembed.watch('app.notes', 'body'), autoembed.watch('app.other', 'body', source_name => 'other')`);
  expect(await examineStrays(db)).toEqual([]);
  const { rows } = await client.query<{ id: number }>(
    "select id from autoembed.embedding_source where name = 'other'",
  );
  const id = String(rows[0]?.id);
  await client.query(
    `create trigger autoembed_${id}_truncate after truncate on app.notes execute function autoembed.source_${id}_truncate()`,
  );
  const [stray, ...others] = await examineStrays(db);
  expect(others).toEqual([]);
  expect(stray).toMatchObject({
    level: "warning",
    what: "app.notes also has triggers of a source that does not watch it.",
    remedy: `drop trigger autoembed_${id}_truncate on app.notes;`,
  });
  await client.query(stray?.remedy ?? "");
  expect(await examineStrays(db)).toEqual([]);
});

test("`doctor` leaves a table that was restored to the source that has lost it", async () => {
  const { client, db } = await openMigrated();
  await client.query(`create schema app; create table app.notes (id int primary key, body text, embedding vector(8));
    select autoembed.watch('app.notes', 'body', source_name => 'notes')`);
  const { rows } = await client.query<{ definition: string }>(
    "select pg_get_triggerdef(oid) as definition from pg_trigger where tgrelid = 'app.notes'::regclass and not tgisinternal",
  );
  await client.query(`drop table app.notes; create table app.notes (id int primary key, body text, embedding vector(8));
    ${rows.map(({ definition }) => definition).join(";")}`);
  expect(await examineStrays(db)).toEqual([]);
});
