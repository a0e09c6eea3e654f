import { expect, test } from "vitest";
import { examineConstraints } from "../../src/doctor/examine-constraints.ts";
import { openMigrated } from "../support/migrated.ts";

interface Constraint {
  readonly table: string;
  readonly name: string;
  readonly definition: string;
}

async function prepareConstraints() {
  const { client, db } = await openMigrated();
  const constraints = async (): Promise<Constraint[]> => {
    const { rows } = await client.query<Constraint>(`
      select conrelid::regclass::text as table, conname as name, pg_get_constraintdef(oid) as definition
      from pg_constraint where connamespace = 'autoembed'::regnamespace and contype in ('c', 'f') order by conname`);
    return rows;
  };
  /** The names that `doctor` reports. */
  const named = async (): Promise<string[]> => {
    const [found] = await examineConstraints(db);
    return /: (.*)\.$/.exec(found?.what ?? "")?.[1]?.split(", ") ?? [];
  };
  /** As `doctor` says. */
  const restore = async (): Promise<void> => {
    const [found] = await examineConstraints(db);
    await client.query((found?.remedy ?? "").replace(/^[^:]*: /, ""));
  };
  return { client, constraints, named, restore };
}

test("`doctor` finds each check and foreign key of our tables that is gone, with the statement that restores it", async () => {
  const { client, constraints, named, restore } = await prepareConstraints();
  const before = await constraints();
  expect(before.length).toBeGreaterThan(12);
  expect(await named()).toEqual([]);
  for (const { table, name } of before) await client.query(`alter table ${table} drop constraint ${name}`);
  expect(await named()).toEqual(before.map(({ name }) => name));
  await restore();
  expect(await constraints()).toEqual(before);
  expect(await named()).toEqual([]);
});

test("`doctor` finds each check and foreign key that is not valid, and lets another name of it pass", async () => {
  const { client, constraints, named, restore } = await prepareConstraints();
  const before = await constraints();
  for (const { table, name, definition } of before)
    await client.query(
      `alter table ${table} drop constraint ${name}, add constraint "of a hand, ${name}" ${definition} not valid`,
    );
  expect(await named()).toEqual(before.map(({ name }) => name));
  await restore();
  expect(await named()).toEqual([]);
  expect((await constraints()).map(({ definition }) => definition)).toEqual(
    before.map(({ definition }) => definition),
  );
});

test("`doctor` finds a constraint with another definition under its name, and foreign keys that are switched off", async () => {
  const { client, constraints, named, restore } = await prepareConstraints();
  const before = await constraints();
  await client.query(`
    alter table autoembed.embedding_source drop constraint embedding_source_name_check,
      add constraint embedding_source_name_check check (name <> 'x');
    alter table autoembed.embedding_batch drop constraint embedding_batch_source_id_fkey,
      add constraint embedding_batch_source_id_fkey foreign key (source_id) references autoembed.embedding_source;
    alter table autoembed.embedding_page disable trigger all`);
  expect(await named()).toEqual([
    "embedding_batch_source_id_fkey",
    "embedding_page_batch_id_fkey",
    "embedding_page_source_id_fkey",
    "embedding_source_name_check",
  ]);
  await restore();
  expect(await constraints()).toEqual(before);
  expect(await named()).toEqual([]);
});
