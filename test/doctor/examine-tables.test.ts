import { expect, test } from "vitest";
import { examineTables } from "../../src/doctor/examine-tables.ts";
import { runCommand } from "../support/command.ts";
import { openMigrated } from "../support/migrated.ts";

async function prepareTables() {
  const { url, client, db } = await openMigrated();
  const columns = async (): Promise<{ table: string; name: string }[]> => {
    const { rows } = await client.query<{ table: string; name: string }>(`
      select c.relname as table, a.attname as name from pg_class c
      join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relnamespace = 'autoembed'::regnamespace and c.relkind = 'r' order by 1, 2`);
    return rows;
  };
  return { url, client, db, columns };
}

test("`doctor` finds each column of our tables that is missing, then each table, and the sequence of tickets", async () => {
  const { client, db, columns } = await prepareTables();
  expect(await examineTables(db)).toEqual([]);
  const before = await columns();
  for (const { table, name } of before)
    await client.query(`alter table autoembed.${table} drop column ${name} cascade`);
  const named = async (): Promise<string[]> => {
    const [found] = await examineTables(db);
    expect(found?.level).toBe("problem");
    return (/ lost (.*)\.$/.exec(found?.what ?? "")?.[1] ?? "").split(", ").sort();
  };
  expect(await named()).toEqual(before.map(({ table, name }) => `${table}.${name}`).sort());
  const tables = [...new Set(before.map(({ table }) => table))];
  for (const table of tables) await client.query(`drop table autoembed.${table} cascade`);
  await client.query("drop sequence autoembed.embedding_ticket cascade");
  expect(await named()).toEqual([...tables, "embedding_ticket"].sort());
});

test("`doctor` finds triggers, rules and constraints of others on our tables, and tables that became unlogged or logged", async () => {
  const { client, db } = await prepareTables();
  await client.query(`
    create function public.swallow() returns trigger language plpgsql as 'begin return null; end';
    create trigger "Audit it" before insert on autoembed.embedding_queue for each row execute function public.swallow();
    create rule silent as on insert to autoembed.embedding_ledger do instead nothing;
    alter table autoembed.embedding_queue add constraint "short keys" check (length(key) < 9) not valid;
    alter table autoembed.embedding_model add foreign key (id) references autoembed.embedding_source(id) not valid;
    alter table autoembed.embedding_queue set unlogged;
    alter table autoembed.embedding_question set logged`);
  const found = await examineTables(db);
  expect(found.map(({ level, what }) => [level, what])).toEqual([
    ["warning", expect.stringContaining("the other way round: embedding_question, embedding_queue.")],
    [
      "warning",
      expect.stringContaining(
        'not ours: the constraint "short keys" on embedding_queue, ' +
          "the constraint embedding_model_id_fkey on embedding_model, " +
          'the rule silent on embedding_ledger, the trigger "Audit it" on embedding_queue.',
      ),
    ],
  ]);
  for (const { remedy = "" } of found) await client.query(remedy.replace(/^[^:]*: /, ""));
  expect(await examineTables(db)).toEqual([]);
});

test.each(["embedding_usage", "embedding_listener", "embedding_queue", "embedding_source"])(
  "Where our table %s is missing, `doctor` says so, and `uninstall` takes away the rest",
  async (table) => {
    const { client, url } = await prepareTables();
    const environment = { DATABASE_URL: url, EMBEDDING_BACKEND: "local" };
    await client.query(`drop table autoembed.${table} cascade`);
    const doctor = runCommand(["doctor"], environment);
    expect(await doctor.exited).toBe(1);
    expect(doctor.stdout()).toContain(`The schema autoembed has lost ${table}.`);
    const uninstall = runCommand(["uninstall", "--yes"], environment);
    expect([await uninstall.exited, uninstall.stderr()]).toEqual([
      0,
      expect.stringContaining("Schema autoembed removed."),
    ]);
    const { rows } = await client.query(`
      select (select count(*)::int from pg_namespace where nspname = 'autoembed') as schemas,
        (select count(*)::int from pg_trigger where tgname like 'autoembed%') as triggers`);
    expect(rows).toEqual([{ schemas: 0, triggers: 0 }]);
  },
);
