import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { examineIndexes } from "../../src/doctor/examine-indexes.ts";
import { openTestDatabase } from "../support/database.ts";

test("`doctor` finds each lost key or index of our tables, with the statement that makes it again", async () => {
  const database = await openTestDatabase({ dimensions: 8 });
  onTestFinished(() => database.close());
  const client = new pg.Client(database.url);
  await client.connect();
  onTestFinished(() => client.end());
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const definitions = async (): Promise<string[]> => {
    const { rows } = await client.query<{ definition: string }>(
      `select coalesce(pg_get_constraintdef(c.oid), pg_get_indexdef(i.indexrelid)) as definition
       from pg_index i join pg_class x on x.oid = i.indexrelid
       left join pg_constraint c on c.conindid = i.indexrelid and c.contype in ('p', 'u')
       where x.relnamespace = 'autoembed'::regnamespace order by x.relname`,
    );
    return rows.map(({ definition }) => definition);
  };
  const before = await definitions();
  expect(await examineIndexes(db)).toEqual([]);

  const { rows } = await client.query<{ name: string; table: string; is_key: boolean }>(
    `select x.relname as name, i.indrelid::regclass::text as table,
       exists (select from pg_constraint c where c.conindid = i.indexrelid) as is_key
     from pg_index i join pg_class x on x.oid = i.indexrelid where x.relnamespace = 'autoembed'::regnamespace order by 1`,
  );
  for (const { name, table, is_key } of rows)
    await client.query(
      is_key ? `alter table ${table} drop constraint ${name} cascade` : `drop index autoembed.${name}`,
    );
  const [found] = await examineIndexes(db);
  expect(found?.what).toBe(
    `The tables of the schema autoembed have lost ${rows.map(({ name }) => name).join(", ")}.`,
  );
  await client.query((found?.remedy ?? "").replace(/^[^:]*: /, ""));
  expect(await examineIndexes(db)).toEqual([]);
  expect(await definitions()).toEqual(before);
});
