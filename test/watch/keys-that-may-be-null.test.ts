import { expect, test, type TestContext } from "vitest";
import { loadSources } from "../../src/sources/load-sources.ts";
import { findCandidates } from "../../src/setup/find-tables.ts";
import { openMigrated } from "../support/migrated.ts";
import { serverVersion } from "../support/server-version.ts";

/** A table with a unique index, and a NOT NULL that a row from before it breaks. */
async function prepareNotes(context: TestContext) {
  const { client, db } = await openMigrated();
  if ((await serverVersion(db)) < 18) context.skip("before Postgres 18 each NOT NULL is validated");
  await client.query(`create schema app; create table app.notes (id int unique, body text, embedding vector(8));
    insert into app.notes values (null, 'one'), (1, 'other one');
    alter table app.notes add constraint "Has an id" not null id not valid`);
  const watchIt = () =>
    client.query("select autoembed.watch('app.notes', 'body', key_columns => array['id'])");
  const validate = () =>
    client.query(`delete from app.notes where id is null;
      alter table app.notes validate constraint "Has an id"`);
  return { client, db, watchIt, validate };
}

test("A key whose NOT NULL is not validated is refused, and not proposed, until it is", async (context) => {
  const { db, watchIt, validate } = await prepareNotes(context);
  const keys = async () => {
    const found = await findCandidates(db);
    return found.filter(({ table }) => table === "notes").map(({ key }) => key);
  };
  await expect(watchIt()).rejects.toMatchObject({
    message: 'the key (id) of app.notes may be null: its constraint "Has an id" is not validated',
    hint: 'alter table app.notes validate constraint "Has an id";',
  });
  expect(await keys()).toEqual([null]);
  await validate();
  expect(await keys()).toEqual([["id"]]);
  await watchIt();
  expect((await loadSources(db)).broken).toEqual([]);
});

test("A source whose key is NOT NULL by a constraint that is not validated is not worked on, and says what to do", async (context) => {
  const { client, db, watchIt, validate } = await prepareNotes(context);
  await validate();
  await watchIt();
  await client.query(`alter table app.notes drop constraint "Has an id";
    insert into app.notes values (null, 'one'); alter table app.notes add constraint "Has an id" not null id not valid`);
  const problems = async () => (await loadSources(db)).broken.map(({ problem }) => problem);
  expect(await problems()).toEqual([expect.stringContaining("a NOT NULL that is validated")]);
  await validate();
  expect(await problems()).toEqual([]);
});
