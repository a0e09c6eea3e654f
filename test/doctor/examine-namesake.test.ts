import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { examineNamesake } from "../../src/doctor/examine-namesake.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";

async function prepareNotes(schema: string, name: string) {
  const { client, database } = await prepare();
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  await client.query(`drop schema if exists "Of app" cascade; create schema "Of app";
    drop table if exists public.chunks, public.notes, public.former;
    create table ${schema}.notes (id int primary key, body text, embedding vector(${DIMENSIONS}));
    select autoembed.watch('${schema}.notes', 'body')`);
  const found = async () => {
    const { usable, chunked } = await loadSources(db);
    const source = [...usable, ...chunked].find((one) => one.name === name);
    if (source === undefined) throw new Error("the source cannot be worked on");
    return await examineNamesake(db, source);
  };
  return { client, found };
}

test.each([
  ["public", "notes"],
  ['"Of app"', '"Of app".notes'],
])(
  "`doctor` finds a table that took the name of the watched one in %s, until it is watched",
  async (schema, name) => {
    const { client, found } = await prepareNotes(schema, name);
    await client.query(`alter table ${schema}.notes rename to former`);
    expect(await found()).toEqual([]);
    // A table is often made again to give its key a longer type.
    await client.query(`create table ${schema}.notes (like ${schema}.former including all);
      alter table ${schema}.notes alter column id type bigint`);
    const [finding, ...others] = await found();
    expect(others).toEqual([]);
    expect(finding?.level).toBe("warning");
    expect(finding?.what).toContain('."former", and not ');
    expect(finding?.remedy).toContain("--text body");
    await client.query(`select autoembed.watch('${schema}.notes', 'body')`);
    expect(await found()).toEqual([]);
  },
);

test.each([
  ["another key", "number int primary key, body text, embedding vector(8)"],
  ["a key of another type", "id text primary key, body text, embedding vector(8)"],
  ["no column of the text", "id int primary key, embedding vector(8)"],
  ["no column of the vectors", "id int primary key, body text"],
])("`doctor` takes no table with %s for one that took the name of the watched one", async (_, columns) => {
  const { client, found } = await prepareNotes("public", "notes");
  await client.query(`alter table notes rename to former; create table notes (${columns})`);
  expect(await found()).toEqual([]);
});

test("`doctor` takes no table that has a source of its own for one that took the name of the watched one", async () => {
  const { client, found } = await prepareNotes("public", "notes");
  await client.query(`alter table notes rename to former; create table notes (like former including all);
    select autoembed.watch('notes', 'body', source_name => 'unrelated')`);
  expect(await found()).toEqual([]);
});

test("`doctor` finds a table that took the name of the watched one where another of its sources was moved there first", async () => {
  const { client, found } = await prepareNotes("public", "notes");
  await client.query(`alter table notes add title text, add title_embedding vector(${DIMENSIONS});
    select autoembed.watch('notes', 'title', vector_column => 'title_embedding', source_name => 'titles');
    alter table notes rename to former; create table notes (like former including all);
    select autoembed.watch('notes', 'title', vector_column => 'title_embedding', source_name => 'titles')`);
  expect(await found()).toHaveLength(1);
});

test.each([
  [
    "the key and the columns",
    `'{code}', 'its vector', 'notes', tenant => 'owner'`,
    '--key code --vector "its vector" --tenant owner',
  ],
  [
    "the table of chunks",
    `source_name => 'notes', vector_table => 'chunks', passages => '{"chunk": 80, "overlap": 9, "unit": "tokens"}'`,
    "--key id --into public.chunks --chunk 80 --overlap 9 --unit tokens",
  ],
])("`doctor` says how to watch the other table with %s of the source", async (_, given, options) => {
  const { client, found } = await prepareNotes("public", "notes");
  await client.query(`alter table notes add owner int, add code text not null unique, add "its vector" vector(${DIMENSIONS});
    create table chunks (id int not null references notes on delete cascade on update cascade,
      passage_id bigint generated always as identity primary key, chunk int not null, start_char int not null,
      end_char int not null, passage text not null, embedding vector(${DIMENSIONS}));
    select autoembed.watch('notes', 'body', ${given});
    alter table notes rename to former; create table notes (like former including all)`);
  const [finding] = await found();
  expect(finding?.remedy).toContain(`public.notes --name notes --text body ${options}; then: `);
});
