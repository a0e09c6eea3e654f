import { expect, test } from "vitest";
import { examineIndexes } from "../../src/doctor/examine-indexes.ts";
import { openMigrated } from "../support/migrated.ts";

async function prepareIndexes() {
  const { client, db } = await openMigrated();
  const definitions = async (): Promise<string[]> => {
    const { rows } = await client.query<{ definition: string }>(
      `select coalesce(pg_get_constraintdef(c.oid), pg_get_indexdef(i.indexrelid)) as definition
       from pg_index i join pg_class x on x.oid = i.indexrelid
       left join pg_constraint c on c.conindid = i.indexrelid and c.contype in ('p', 'u')
       where x.relnamespace = 'autoembed'::regnamespace and i.indisvalid order by x.relname`,
    );
    return rows.map(({ definition }) => definition);
  };
  return { client, db, definitions };
}

test("`doctor` finds each lost key or index of our tables, with the statement that makes it again", async () => {
  const { client, db, definitions } = await prepareIndexes();
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

test("`doctor` finds a key or an index that is invalid, deferred or on other columns, and replaces it as it says", async () => {
  const { client, db, definitions } = await prepareIndexes();
  const before = await definitions();
  await client.query(`
    alter table autoembed.embedding_queue drop constraint embedding_queue_pkey;
    create unique index embedding_queue_pkey on autoembed.embedding_queue (source_id, key);
    alter table autoembed.embedding_ledger drop constraint embedding_ledger_pkey,
      add constraint ledger_key primary key (source_id, key) deferrable;
    drop index autoembed.embedding_cache_age;
    create index embedding_cache_age on autoembed.embedding_cache (model);
    update pg_index set indisvalid = false where indexrelid = 'autoembed.embedding_page_source'::regclass`);
  const [found] = await examineIndexes(db);
  expect(found?.what).toBe(
    "The tables of the schema autoembed have lost embedding_cache_age, embedding_ledger_pkey, embedding_page_source, embedding_queue_pkey.",
  );
  await client.query((found?.remedy ?? "").replace(/^[^:]*: /, ""));
  expect(await examineIndexes(db)).toEqual([]);
  expect(await definitions()).toEqual(before);
});

test("`doctor` lets a key or an index of ours have another name, and storage settings of the user", async () => {
  const { client, db } = await prepareIndexes();
  await client.query(`
    alter table autoembed.embedding_queue rename constraint embedding_queue_pkey to "of a hand";
    alter index autoembed.embedding_queue_pending rename to pending;
    alter index autoembed.embedding_queue_tenant set (fillfactor = 80);
    alter index autoembed.embedding_cache_pkey set (fillfactor = 80);
    alter index autoembed.embedding_page_hashes reset (fastupdate)`);
  expect(await examineIndexes(db)).toEqual([]);
});
