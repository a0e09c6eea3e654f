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
    drop table if exists public.notes, public.former;
    create table ${schema}.notes (id int primary key, body text, embedding vector(${DIMENSIONS}));
    select autoembed.watch('${schema}.notes', 'body')`);
  const found = async () => {
    const source = (await loadSources(db)).usable.find((one) => one.name === name);
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
    await client.query(`create table ${schema}.notes (like ${schema}.former including all)`);
    const [finding, ...others] = await found();
    expect(others).toEqual([]);
    expect(finding?.level).toBe("warning");
    expect(finding?.what).toContain('."former", and not ');
    expect(finding?.remedy).toContain("--text body");
    await client.query(`select autoembed.watch('${schema}.notes', 'body')`);
    expect(await found()).toEqual([]);
  },
);

test("`doctor` takes no table with another key for one that took the name of the watched one", async () => {
  const { client, found } = await prepareNotes("public", "notes");
  await client.query("alter table notes rename to former; create table notes (number int primary key)");
  expect(await found()).toEqual([]);
});
