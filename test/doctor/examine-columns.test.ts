import { expect, test } from "vitest";
import { examineColumns } from "../../src/doctor/examine-columns.ts";
import { migrate } from "../../src/migrate.ts";
import { openMigrated } from "../support/migrated.ts";

interface Column {
  readonly table: string;
  readonly name: string;
  readonly is_not_null: boolean;
  readonly identity: string;
  readonly default: string | null;
}

async function prepareColumns() {
  const { url, client, db } = await openMigrated();
  const columns = async (): Promise<Column[]> => {
    const { rows } = await client.query<Column>(`
      select c.oid::regclass::text as table, a.attname as name, a.attnotnull as is_not_null,
        a.attidentity::text as identity, pg_get_expr(d.adbin, d.adrelid) as default
      from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
      where c.relnamespace = 'autoembed'::regnamespace and c.relkind = 'r' order by 1, 2`);
    return rows;
  };
  /** As `doctor` says. */
  const restore = async (): Promise<void> => {
    const [found] = await examineColumns(db);
    await client.query((found?.remedy ?? "").replace(/^[^:]*: /, "").replace(/ Then: .*$/, ""));
    await migrate({ databaseUrl: url, dimensions: 8 });
  };
  return { client, db, columns, restore };
}

test("`doctor` finds each lost default, identity and NOT NULL of our tables, with the statements that restore them", async () => {
  const { client, db, columns, restore } = await prepareColumns();
  expect(await examineColumns(db)).toEqual([]);
  const before = await columns();
  const lost: string[] = [];
  // The keys keep their columns not null.
  const { rows: keys } = await client.query<{ table: string; name: string }>(`
    select k.conrelid::regclass::text as table, k.conname as name from pg_constraint k
    where k.connamespace = 'autoembed'::regnamespace and k.contype = 'p'`);
  const { rows: definitions } = await client.query<{ table: string; definition: string }>(`
    select k.conrelid::regclass::text as table, pg_get_constraintdef(k.oid) as definition from pg_constraint k
    where k.connamespace = 'autoembed'::regnamespace and k.contype in ('p', 'f') order by k.contype desc`);
  for (const { table, name } of keys)
    await client.query(`alter table ${table} drop constraint ${name} cascade`);
  for (const { table, name, is_not_null, identity, default: value } of before) {
    if (identity !== "") await client.query(`alter table ${table} alter ${name} drop identity`);
    if (value !== null) await client.query(`alter table ${table} alter ${name} drop default`);
    if (!is_not_null) continue;
    await client.query(`alter table ${table} alter ${name} drop not null`);
    lost.push(`${table.replace("autoembed.", "")}.${name}`);
  }
  const [found] = await examineColumns(db);
  const named = /: (.*)\.$/.exec(found?.what ?? "")?.[1]?.split(", ") ?? [];
  expect(named.sort()).toEqual(lost.sort());
  await restore();
  for (const { table, definition } of definitions)
    await client.query(`alter table ${table} add ${definition}`);
  expect(await columns()).toEqual(before);
  expect(await examineColumns(db)).toEqual([]);
});

test("A default that was changed is found, and a restored identity goes on after the numbers that are in use", async () => {
  const { client, db, restore } = await prepareColumns();
  await client.query(`
    insert into autoembed.embedding_model (name) values ('one'), ('two');
    alter table autoembed.embedding_ledger alter embedded_at drop default;
    alter table autoembed.embedding_queue alter attempts set default 3;
    alter table autoembed.embedding_model alter id drop identity`);
  const [found] = await examineColumns(db);
  expect(found?.what).toBe(
    "Columns of the schema autoembed have lost a default or their NOT NULL: embedding_ledger.embedded_at, embedding_model.id, embedding_queue.attempts.",
  );
  await restore();
  expect(await examineColumns(db)).toEqual([]);
  const { rows } = await client.query<{ id: number }>(
    "insert into autoembed.embedding_model (name) values ('three') returning id",
  );
  expect(rows).toEqual([{ id: 3 }]);
});
