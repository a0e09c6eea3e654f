import { expect, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { watch } from "../../src/watch/watch.ts";
import { openMigrated } from "../support/migrated.ts";

test.each(["autoembed.vectors", "information_schema.vectors", "pg_catalog.vectors"])(
  "A table of vectors called %s is refused, and nothing changes",
  async (into) => {
    const { client, db, url } = await openMigrated();
    await client.query("create schema app; create table app.notes (id int primary key, body text)");
    const config = readConfig({ DATABASE_URL: url, EMBEDDING_BACKEND: "local", EMBEDDING_DIM: "512" });
    const refused = watch(db, config, { table: "app.notes", text: "body", into });
    await expect(refused).rejects.toMatchObject({
      message: expect.stringContaining("belongs to Postgres or to pg-autoembed") as unknown,
      remedy: "Name a table in a schema of yours with --into.",
    });
    const { rows } = await client.query("select to_regclass($1) as made", [into]);
    expect(rows).toEqual([{ made: null }]);
  },
);

test("A table of the schema autoembed is refused for vectors by autoembed.watch() too, so that `uninstall` finds none", async () => {
  const { client } = await openMigrated();
  await client.query(`create schema app; create table app.notes (id int primary key, body text);
    create table autoembed.vectors (embedding vector(8),
      id int primary key references app.notes on delete cascade on update cascade)`);
  const watching = "select autoembed.watch('app.notes', 'body', vector_table => 'autoembed.vectors')";
  await expect(client.query(watching)).rejects.toThrow(
    "autoembed.vectors is no table that can hold the vectors of app.notes",
  );
  await client.query("alter table autoembed.vectors set schema app");
  await client.query(watching.replace("'autoembed.vectors'", "'app.vectors'"));
});
