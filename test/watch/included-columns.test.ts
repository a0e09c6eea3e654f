import { expect, test } from "vitest";
import { examineKey } from "../../src/doctor/examine-key.ts";
import { findCandidates } from "../../src/setup/find-tables.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { openMigrated } from "../support/migrated.ts";

test("A column that the primary key's index only includes is no part of the key, and a source that has it is named", async () => {
  const { client, db } = await openMigrated();
  await client.query(`create schema app;
    create table app.notes (id int, body text not null, embedding vector(8), primary key (id) include (body));
    insert into app.notes values (1, 'one'), (2, 'two')`);
  const found = async () => {
    const source = (await loadSources(db)).usable.find(({ name }) => name === "notes");
    if (source === undefined) throw new Error("the source cannot be worked on");
    return await examineKey(db, source);
  };
  const queued = async () =>
    (await client.query("select key from autoembed.embedding_queue order by key")).rows as unknown;
  expect(await findCandidates(db)).toContainEqual(
    expect.objectContaining({ table: "notes", has_primary_key: true, key: ["id"] }),
  );

  // As it was watched before.
  await client.query(
    "select autoembed.watch('app.notes', 'body', array['id', 'body'], source_name => 'notes')",
  );
  await client.query("update app.notes set body = 'another' where id = 1");
  expect(await queued()).toContainEqual({ key: '["1", "another"]' });
  const [problem, ...others] = await found();
  expect(others).toEqual([]);
  expect(problem).toMatchObject({
    level: "problem",
    what: 'its key (id, body) of "app"."notes" has body, which the index of the primary key only includes: its values are in the queue, the ledger and the log lines of failed rows.',
  });
  expect(problem?.remedy).toContain("watch -- app.notes --name notes --text body");

  await client.query("select autoembed.watch('app.notes', 'body', source_name => 'notes')");
  expect(await queued()).toEqual([{ key: "1" }]);
  expect(await found()).toEqual([]);
  await client.query("update app.notes set body = 'third' where id = 2");
  expect(await queued()).toEqual([{ key: "1" }, { key: "2" }]);
});
