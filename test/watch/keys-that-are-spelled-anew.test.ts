import { expect, test } from "vitest";
import { examineKey } from "../../src/doctor/examine-key.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { openMigrated } from "../support/migrated.ts";

test("A key whose text changes with a rename or a setting is refused, wherever its type is made of one", async () => {
  const { client } = await openMigrated();
  await client.query(`create schema app; create domain app.relation as regclass;
    create type app.pair as (n int, relation app.relation)`);
  const watchBy = async (type: string): Promise<unknown> => {
    await client.query(`drop table if exists app.t;
      create table app.t (id int unique not null, "The key" ${type} primary key, body text, embedding vector(8))`);
    return await client
      .query("select autoembed.watch('app.t', 'body', source_name => 't')")
      .then(() => "watched")
      .catch((error: unknown) => (error instanceof Error ? error.message : error));
  };
  for (const [type, named] of [
    ["regclass", "regclass"],
    ["regtype", "regtype"],
    ["regrole", "regrole"],
    ["money", "money"],
    ["app.relation", "regclass"],
    ["regclass[]", "regclass"],
    ["app.pair", "regclass"],
  ] as const)
    expect(await watchBy(type)).toBe(
      `the key "The key" (${named}) of app.t is spelled in another way after a rename or in other sessions`,
    );
  expect(await watchBy("int4range")).toBe("watched");
  await client.query("select autoembed.unwatch('t')");
  await watchBy("regclass");
  await client.query("select autoembed.watch('app.t', 'body', array['id'], source_name => 't')");
});

test("`doctor` names a source that was watched by such a key before that was refused", async () => {
  const { client, db } = await openMigrated();
  await client.query(`create schema app;
    create table app.t (id int primary key, relation regclass unique not null, body text, embedding vector(8))`);
  await client.query("select autoembed.watch('app.t', 'body', source_name => 't')");
  const found = async () => {
    const source = (await loadSources(db)).usable.find(({ name }) => name === "t");
    if (source === undefined) throw new Error("the source cannot be worked on");
    return await examineKey(db, source);
  };
  expect(await found()).toEqual([]);
  await client.query("update autoembed.embedding_source set key_columns = '{relation}' where name = 't'");
  const [problem, ...others] = await found();
  expect(others).toEqual([]);
  expect(problem).toMatchObject({
    level: "problem",
    what: expect.stringContaining(
      'its key relation (regclass) of "app"."t" is spelled in another way',
    ) as unknown,
    remedy: expect.stringContaining("watch -- app.t --name t --text body --key COLUMN") as unknown,
  });
});
