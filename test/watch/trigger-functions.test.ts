import { readFile, writeFile } from "node:fs/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../support/database.ts";
import { SHAPES } from "../support/shapes.ts";

let database: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  database = await openTestDatabase();
  client = new pg.Client(database.url);
  await client.connect();
  await client.query("create schema app");
});
afterAll(async () => {
  await client.end();
  await database.close();
});

/** The newest source's functions and triggers as Postgres has them; a table's number differs from run to run. */
async function installed(): Promise<string> {
  const { rows } = await client.query<{ definition: string }>(`
    with source as (select * from autoembed.embedding_source order by id desc limit 1)
    select d.definition from source s, lateral (
      select 1 as kind, p.proname as name, pg_get_functiondef(p.oid) as definition from pg_proc p
      where p.pronamespace = 'autoembed'::regnamespace and starts_with(p.proname, format('source_%s_', s.id))
      union all
      select 2, g.tgname, pg_get_triggerdef(g.oid) from pg_trigger g
      where g.tgrelid = s.watched_table and not g.tgisinternal
    ) d order by d.kind, d.name`);
  return rows
    .map(({ definition }) => `${definition.trim()};\n`)
    .join("\n")
    .replaceAll(/\d+::oid/g, "<oid>::oid")
    .replaceAll(/'\d+'::regclass/g, "'<oid>'::regclass");
}

describe("The trigger functions of a source are those of the golden files", () => {
  for (const [i, [shape, watch]] of Object.entries(SHAPES).entries()) {
    // Written again by: UPDATE_GOLDEN=1 npx vitest run test/watch/trigger-functions.test.ts
    test(`The trigger functions of the shape ${shape} are those of test/watch/golden/${shape}.sql`, async () => {
      await client.query(`alter table autoembed.embedding_source alter id restart with ${i + 11}; ${watch}`);
      const file = new URL(`golden/${shape}.sql`, import.meta.url);
      const made = await installed();
      if (process.env["UPDATE_GOLDEN"] !== undefined) await writeFile(file, made);
      expect(made).toBe(await readFile(file, "utf8"));
    });
  }

  test("Trigger functions are the same, and up to date, whatever the settings of the session that makes them are", async () => {
    await client.query(`create table app.spelled (id bigint primary key, body text, embedding vector(512));
      set quote_all_identifiers = on`);
    await client.query("select autoembed.watch('app.spelled', 'body')");
    const outdated =
      "select name, autoembed.outdated_triggers(s) as names from autoembed.embedding_source s order by id desc limit 1";
    expect((await client.query(outdated)).rows).toEqual([{ name: "app.spelled", names: [] }]);
    await client.query("reset quote_all_identifiers");
    expect((await client.query(outdated)).rows).toEqual([{ name: "app.spelled", names: [] }]);
  });

  test("Trigger functions that were just made are up to date", async () => {
    const { rows } = await client.query(
      "select name from autoembed.embedding_source s where autoembed.outdated_triggers(s) <> '{}'",
    );
    expect(rows).toEqual([]);
  });
});

const ENDS_EARLY = "t$autoembed$; create table app.made_by_a_name(); --";

describe("No name of a table or column becomes a statement", () => {
  test.each([
    ["table", "alter table app.named rename to %s"],
    ["key column", "alter table app.named rename id to %s"],
    ["text column", "alter table app.named rename body to %s"],
    ["tenant's column", "alter table app.named rename clinic to %s"],
  ])(
    "Where a %s is called as what would end a trigger function's body, the functions are refused",
    async (_what, rename) => {
      await client.query(`create table app.named (id bigint primary key, body text, clinic text, embedding vector(8));
        select autoembed.watch('app.named', 'body', source_name => 'named', tenant => 'clinic')`);
      await client.query("begin");
      try {
        await client.query(rename.replace("%s", client.escapeIdentifier(ENDS_EARLY)));
        await client.query(`update autoembed.embedding_source s set
            text_expression = quote_ident(c.names[2]), key_columns = c.names[1:1], tenant_column = c.names[3]
          from (select array_agg(attname::text order by attnum) as names from pg_attribute
            where attrelid = (select watched_table from autoembed.embedding_source where name = 'named')
              and attnum > 0) c
          where s.name = 'named'`);
        await expect(
          client.query(
            "select autoembed.update_triggers(s) from autoembed.embedding_source s where name = 'named'",
          ),
        ).rejects.toThrow("may have $autoembed$ in it");
      } finally {
        await client.query("rollback");
        await client.query("select autoembed.unwatch('named'); drop table app.named");
      }
    },
  );
});

describe("Watching again keeps when a trigger fires", () => {
  test.each([
    ["an ordinary table", ""],
    ["a partitioned table", "partition by range (id)"],
  ])(
    "What %s was set to fire always, or on a replica, still does after it is watched again",
    async (_what, by) => {
      await client.query(
        `create table app.firing (id bigint primary key, body text, embedding vector(8)) ${by}`,
      );
      if (by !== "") await client.query("create table app.firing_1 partition of app.firing default");
      const leaf = by === "" ? "app.firing" : "app.firing_1";
      const watch = "select id from autoembed.watch('app.firing', 'body', source_name => 'firing')";
      const { rows } = await client.query<{ id: number }>(watch);
      const name = (event: string) => `autoembed_${rows[0]?.id ?? 0}_${event}`;
      await client.query(`alter table app.firing enable always trigger ${name("update")};
      alter table ${leaf} enable replica trigger ${name("delete")};
      alter table ${leaf} disable trigger ${name("insert")}`);
      await client.query(watch);
      const { rows: states } = await client.query<{ state: string }>(`
      select format('%s %s %s', tgrelid::regclass, split_part(tgname, '_', 3), tgenabled) as state from pg_trigger
      where tgname ~ '^autoembed_${rows[0]?.id ?? 0}_' and tgrelid = '${leaf}'::regclass order by tgname`);
      // What was disabled is enabled: from now on every change is queued.
      const wanted = ["delete R", "insert O", "truncate O", "update A"].filter(
        (state) => by === "" || !state.startsWith("truncate"),
      );
      expect(states.map(({ state }) => state)).toEqual(wanted.map((state) => `${leaf} ${state}`));
      await client.query("select autoembed.unwatch('firing'); drop table app.firing");
    },
  );
});
