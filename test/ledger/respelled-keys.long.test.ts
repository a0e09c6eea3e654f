import { expect, onTestFinished, test, vi } from "vitest";
import { openPool } from "../../src/database/pools.ts";
import { erase } from "../../src/erase/erase.ts";
import { watch } from "../../src/application.ts";
import { createListener } from "../../src/listener/listener.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { respellKeys } from "../../src/sources/respell-keys.ts";
import { runCommand } from "../support/command.ts";
import { prepareLeaving } from "../support/leaving.ts";
import { session } from "../support/roles.ts";

vi.setConfig({ testTimeout: 120_000 });

/** Watched tables whose rows are embedded. */
async function prepare(tables: string) {
  const on = await prepareLeaving();
  const { client, config, provider } = on;
  await client.query(tables);
  const db = openPool("command", config);
  onTestFinished(() => db.destroy());
  /** @returns the texts that were sent, without the probe of the model */
  const backfill = async (table: string) => {
    const before = provider.requests.length;
    await on.run("backfill", "--source", table);
    const sent = provider.requests.slice(before).flatMap(({ texts }) => texts);
    return sent.filter((text) => !text.startsWith("pg-autoembed asks")).sort();
  };
  const embed = async (table: string) => {
    await watch(config, { table, text: "body" });
    await backfill(table);
  };
  const keys = async (table: "embedding_ledger" | "embedding_queue" | "embedding_cache") => {
    const { rows } = await client.query<{ key: string }>(`select key from autoembed.${table} order by key`);
    return rows.map(({ key }) => key);
  };
  return { ...on, db, backfill, embed, keys };
}

test("After a key's type was altered so that its keys are written in another way, a backfill finds which vectors are of old texts", async () => {
  const { client, embed, backfill, keys, run } = await prepare(`
    create table events (tenant int, at timestamp, body text, primary key (tenant, at));
    insert into events select n, '2026-01-01'::timestamp + n * interval '1 day', 'event ' || n from generate_series(1, 5) n`);
  await embed("events");
  await client.query(`set timezone = 'UTC'; alter table events alter at type timestamptz;
    alter table events disable trigger user; update events set body = 'changed 3' where tenant = 3;
    alter table events enable trigger user`);
  const dry = await run("backfill", "--source", "events", "--dry-run");
  expect(dry).toMatchObject({ code: 1 });
  expect(dry.stderr).toContain("key of events was altered");
  expect(await backfill("events")).toEqual(["changed 3"]);
  expect(await keys("embedding_ledger")).toEqual(
    [1, 2, 3, 4, 5].map((n) => `["${n}", "2026-01-0${n + 1} 00:00:00+00"]`),
  );
  expect(await backfill("events")).toEqual([]);
});

test("A change of the model embeds every row of a key whose type was altered, also where a listener runs meanwhile", async () => {
  const { client, embed, keys, environment, config } = await prepare(`
    create table amounts (id numeric primary key, body text);
    insert into amounts select n, 'amount ' || n from generate_series(1, 5) n`);
  await embed("amounts");
  const listener = createListener(config);
  onTestFinished(async () => {
    await listener.stop();
  });
  await listener.start();
  await client.query("alter table amounts alter id type numeric(10, 2)");
  const respelled = ["1.00", "2.00", "3.00", "4.00", "5.00"];
  await expect.poll(() => keys("embedding_ledger"), { timeout: 30_000 }).toEqual(respelled);
  await listener.stop();
  const command = runCommand(["backfill", "--source", "amounts"], {
    ...environment,
    OPENAI_EMBED_MODEL: "another-model",
  });
  expect(await command.exited).toBe(0);
  const { rows } = await client.query(
    `select count(*)::int as rows from autoembed.embedding_ledger l join autoembed.embedding_model m on m.id = l.model_id
     where m.name like '%another-model%'`,
  );
  expect(rows).toEqual([{ rows: 5 }]);
  expect(await keys("embedding_ledger")).toEqual(respelled);
});

test("What a backfill took for another tool's vector, since it did not find the entry, is known again", async () => {
  const { client, embed, backfill, keys } = await prepare(`
    create table amounts (id numeric primary key, body text); insert into amounts values (6, 'six'), (7, 'seven')`);
  await embed("amounts");
  await client.query(`alter table amounts alter id type numeric(10, 2);
    alter table amounts disable trigger user; update amounts set body = 'changed' where id = 6;
    alter table amounts enable trigger user;
    insert into autoembed.embedding_ledger (source_id, text_hash, key)
    select l.source_id, sha256(convert_to(a.body, 'UTF8')), a.id::text
    from autoembed.embedding_ledger l join amounts a on a.id = l.key::numeric`);
  expect(await backfill("amounts")).toEqual(["changed"]);
  expect(await keys("embedding_ledger")).toEqual(["6.00", "7.00"]);
});

test("A row that failed under the former spelling of its key is not sent again, and leaves the failed ones when its text changes", async () => {
  const { client, embed, backfill, keys, provider } = await prepare(`
    create table amounts (id numeric primary key, body text); insert into amounts values (6, 'bad'), (7, 'seven')`);
  provider.poison = (text) => text === "bad";
  await embed("amounts");
  await client.query("alter table amounts alter id type numeric(10, 2)");
  expect(await backfill("amounts")).toEqual([]);
  expect(await keys("embedding_queue")).toEqual(["6.00"]);
  await client.query("update amounts set body = 'good' where id = 6");
  expect(await backfill("amounts")).toEqual(["good"]);
  expect(await keys("embedding_queue")).toEqual([]);
  expect(await keys("embedding_ledger")).toEqual(["6.00", "7.00"]);
});

test("Of a row that was deleted after its key was altered nothing is kept, neither by erase nor by its trigger", async () => {
  const { client, db, drain, embed, keys } = await prepare(`
    create table days (day date primary key, body text);
    insert into days values ('2020-01-01', 'one'), ('2020-01-02', 'two'), ('2020-01-03', 'three')`);
  await embed("days");
  await client.query("update days set body = 'changed ' || body");
  await drain();
  await client.query("alter table days alter day type timestamp; delete from days where day = '2020-01-02'");
  const options = { source: "days", keys: ["2020-01-02"], keepsText: false, isDryRun: false };
  expect((await erase(db, options)).rows).toMatchObject([
    { row: "gone", removed: { ledger: 1, cached_vectors: 1 } },
  ]);
  await drain();
  const left = ["2020-01-01 00:00:00", "2020-01-03 00:00:00"];
  expect(await keys("embedding_cache")).toEqual(left);
  await client.query("delete from days where day = '2020-01-03'");
  expect(await keys("embedding_cache")).toEqual(left.slice(0, 1));
  expect(await keys("embedding_ledger")).toEqual(left.slice(0, 1));
});

test("A row that a user holds keeps nobody waiting: its key is written as the row has it the next time", async () => {
  const { client, config, db, embed, keys } = await prepare(`
    create table amounts (id numeric primary key, body text); insert into amounts values (6, 'six'), (7, 'seven')`);
  await embed("amounts");
  await client.query("alter table amounts alter id type numeric(10, 2)");
  const [source] = (await loadSources(db)).usable.filter(({ name }) => name === "amounts");
  if (source === undefined) throw new Error("it cannot be worked on");
  expect(source.hasAlteredKey).toBe(true);
  const user = await session(config.DATABASE_URL);
  await user.query("begin; select from amounts where id = 6 for update");
  await respellKeys(db, source);
  expect(await keys("embedding_ledger")).toEqual(["6", "7.00"]);
  await user.query("rollback");
  await respellKeys(db, source);
  expect(await keys("embedding_ledger")).toEqual(["6.00", "7.00"]);
});

test("What was at the provider while the key was altered is kept under the key as the row has it now", async () => {
  const { client, config, provider, keys } = await prepare(
    `create table amounts (id numeric primary key, body text)`,
  );
  await watch(config, { table: "amounts", text: "body" });
  const listener = createListener(config);
  onTestFinished(async () => {
    await listener.stop();
  });
  await listener.start();
  provider.latencyMs = 3_000;
  const before = provider.requests.length;
  await client.query("insert into amounts values (6, 'six')");
  await expect
    .poll(() => provider.requests.slice(before).some(({ texts }) => texts.includes("six")), {
      timeout: 30_000,
    })
    .toBe(true);
  await client.query("alter table amounts alter id type numeric(10, 2)");
  await expect.poll(() => keys("embedding_ledger"), { timeout: 30_000 }).toEqual(["6.00"]);
  await expect.poll(() => keys("embedding_queue"), { timeout: 30_000 }).toEqual([]);
});

test("Watched by another key after its type was altered, a table keeps its entries and what waits", async () => {
  const { client, config, backfill, embed, keys } = await prepare(`
    create table amounts (id numeric primary key, code text not null unique, body text);
    insert into amounts values (6, 'a', 'six'), (7, 'b', 'seven'), (8, 'c', 'eight')`);
  await embed("amounts");
  await client.query(`update amounts set body = 'changed' where id = 7;
    alter table amounts alter id type numeric(10, 2)`);
  await watch(config, { table: "amounts", text: "body", key: ["code"] });
  expect(await keys("embedding_ledger")).toEqual(["a", "b", "c"]);
  expect(await keys("embedding_queue")).toEqual(["b"]);
  expect(await backfill("amounts")).toEqual(["changed"]);
});

test("A table that was built again with a key that is written in another way keeps its entries and what waits", async () => {
  const { client, config, embed, backfill, keys } = await prepare(`
    create table amounts (id numeric, tenant text, body text, primary key (id, tenant));
    insert into amounts select n, 'a', 'amount ' || n from generate_series(1, 4) n`);
  await embed("amounts");
  await client.query(`update amounts set body = 'former 2' where id = 2`);
  await backfill("amounts");
  await client.query(`update amounts set body = 'waiting' where id = 4;
    create table built_again (id numeric(10, 2), tenant varchar(5), body text, embedding vector(8), primary key (id, tenant));
    insert into built_again select id, tenant, body, embedding from amounts where id <> 3;
    update built_again set body = 'changed meanwhile' where id = 1;
    drop table amounts; alter table built_again rename to amounts`);
  const again = () => watch(config, { table: "amounts", text: "body" });
  const holder = await session(config.DATABASE_URL);
  await holder.query("begin; select from amounts where id = 4 for update");
  await expect(again()).rejects.toThrow("rows of public.amounts are locked");
  await holder.query("rollback");
  await again();
  const kept = [1, 2, 4].map((n) => `["${n}.00", "a"]`);
  expect(await keys("embedding_ledger")).toEqual(kept);
  expect(await keys("embedding_cache")).toEqual(kept.slice(1, 2));
  expect(await keys("embedding_queue")).toEqual(kept.slice(2));
  expect(await backfill("amounts")).toEqual(["changed meanwhile", "waiting"]);
  const { rows } = await client.query(
    "select from autoembed.embedding_ledger where model_id is null or vector_hash is null",
  );
  expect(rows).toEqual([]);
});

test("Of a source that was watched before the types of its key were kept, the keys are looked at once", async () => {
  const { client, embed, backfill, keys } = await prepare(`
    create table prices (id numeric primary key, body text);
    insert into prices select n, 'price ' || n from generate_series(1, 3) n;
    create table parts (id bigint primary key, body text);
    insert into parts select n, 'part ' || n from generate_series(1, 3) n`);
  await embed("prices");
  await embed("parts");
  await client.query(`update autoembed.embedding_source set key_types = null;
    alter table prices alter id type numeric(10, 2)`);
  expect(await backfill("prices")).toEqual([]);
  expect(await backfill("parts")).toEqual([]);
  expect((await keys("embedding_ledger")).filter((key) => key.includes("."))).toEqual([
    "1.00",
    "2.00",
    "3.00",
  ]);
  const { rows } = await client.query(
    "select from autoembed.embedding_source where key_types is null and name in ('prices', 'parts')",
  );
  expect(rows).toEqual([]);
});

test("A source in chunks that somebody holds by a lock keeps no other source from being embedded", async () => {
  const { client, config, keys } = await prepare(`
    create table letters (id numeric primary key, body text);
    create table notes (id bigint primary key, body text)`);
  await watch(config, { table: "letters", text: "body", into: "letter_chunks", chunks: { chunk: 50 } });
  await watch(config, { table: "notes", text: "body" });
  await client.query("alter table letters alter id type numeric(10, 2); insert into notes values (1, 'one')");
  const user = await session(config.DATABASE_URL);
  await user.query("begin; select from autoembed.embedding_source where name = 'letters' for update");
  const listener = createListener(config);
  onTestFinished(async () => {
    await listener.stop();
  });
  await listener.start();
  await expect.poll(() => keys("embedding_ledger"), { timeout: 30_000 }).toEqual(["1"]);
  await user.query("rollback; insert into letters values (2, 'a letter')");
  await expect.poll(() => keys("embedding_queue"), { timeout: 60_000 }).toEqual([]);
});

test("A backfill of all sources embeds the others while one cannot have its keys written again", async () => {
  const { client, config, environment, embed, keys } = await prepare(`
    create table amounts (id numeric primary key, body text); insert into amounts values (6, 'six');
    create table notes (id bigint primary key, body text)`);
  await embed("amounts");
  await watch(config, { table: "notes", text: "body" });
  await client.query(`alter table amounts alter id type numeric(10, 2);
    alter table notes disable trigger user; insert into notes values (1, 'one')`);
  const user = await session(config.DATABASE_URL);
  await user.query("begin; select from autoembed.embedding_source where name = 'amounts' for no key update");
  const command = runCommand(["backfill"], environment);
  await expect.poll(() => keys("embedding_ledger"), { timeout: 30_000 }).toContain("1");
  await user.query("rollback");
  expect(await command.exited).toBe(0);
  expect(await keys("embedding_ledger")).toEqual(["1", "6.00"]);
});

test("A table and a key with a percent sign in their names have their keys written again", async () => {
  const { client, embed, backfill, keys } = await prepare(`
    create table "50% off" ("share%" numeric primary key, body text); insert into "50% off" values (6, 'six')`);
  await embed("50% off");
  await client.query(`alter table "50% off" alter "share%" type numeric(10, 2)`);
  expect(await backfill("50% off")).toEqual([]);
  expect(await keys("embedding_ledger")).toEqual(["6.00"]);
});

test("Of several queued rows of one key the pending one stays, and a claimed one is looked at again", async () => {
  const { client, config, db } = await prepare(`create table amounts (id numeric primary key, body text);
    insert into amounts values (6, 'six'), (7, 'seven'), (8, 'eight')`);
  await watch(config, { table: "amounts", text: "body" });
  await client.query("alter table amounts alter id type numeric(10, 2)");
  const [source] = (await loadSources(db)).usable.filter(({ name }) => name === "amounts");
  if (source === undefined) throw new Error("it cannot be worked on");
  await client.query(`truncate autoembed.embedding_queue;
    insert into autoembed.embedding_queue (source_id, key, failed_at) values (${source.id}, '6.0', now()), (${source.id}, '7.00', now());
    insert into autoembed.embedding_queue (source_id, key) values (${source.id}, '6'), (${source.id}, '7');
    with l as (insert into autoembed.embedding_listener (host, pid, version) values ('a host', 1, '0.2.0') returning id)
    insert into autoembed.embedding_queue (source_id, key, owner) select ${source.id}, '8', l.id from l`);
  const queued = async () =>
    (
      await client.query<{ row: string }>(
        "select concat_ws(' ', key, case when failed_at is null then 'pending' else 'failed' end) as row from autoembed.embedding_queue order by key",
      )
    ).rows.map(({ row }) => row);
  await respellKeys(db, source);
  expect((await queued()).sort()).toEqual(["6.00 pending", "7.00 pending", "8 pending"]);
  await client.query("update autoembed.embedding_queue set owner = null, failed_at = now() where key = '8'");
  await respellKeys(db, source);
  expect((await queued()).sort()).toEqual(["6.00 pending", "7.00 pending", "8.00 failed"]);
});

test("A running listener looks again at the row that somebody held when its key was altered", async () => {
  const { client, config, embed, keys } = await prepare(
    `create table amounts (id numeric primary key, body text); insert into amounts values (6, 'six'), (7, 'seven')`,
  );
  await embed("amounts");
  await client.query("alter table amounts alter id type numeric(10, 2)");
  const user = await session(config.DATABASE_URL);
  await user.query("begin; select from amounts where id = 6 for update");
  const listener = createListener(config);
  onTestFinished(async () => {
    await listener.stop();
  });
  await listener.start();
  await expect.poll(() => keys("embedding_ledger"), { timeout: 15_000 }).toEqual(["6", "7.00"]);
  await user.query("rollback");
  await expect.poll(() => keys("embedding_ledger"), { timeout: 15_000 }).toEqual(["6.00", "7.00"]);
});

test("Watched by another key while somebody holds a row, a table keeps the change that waits", async () => {
  const { client, config, keys } = await prepare(`
    create table amounts (id numeric primary key, code text not null unique, body text)`);
  await watch(config, { table: "amounts", text: "body" });
  await client.query(
    `insert into amounts values (7, 'b', 'seven'); alter table amounts alter id type numeric(10, 2)`,
  );
  const user = await session(config.DATABASE_URL);
  await user.query("begin; select from amounts where id = 7 for no key update");
  const source = "(select s from autoembed.embedding_source s where s.name = 'amounts')";
  const byCode = `jsonb_populate_record(${source}, '{"key_columns": ["code"]}')`;
  const requeue = `select autoembed.requeue(${source}, ${byCode}, false)`;
  await expect(client.query(requeue)).rejects.toMatchObject({ code: "55006" });
  await user.query("rollback");
  await watch(config, { table: "amounts", text: "body", key: ["code"] });
  expect(await keys("embedding_queue")).toEqual(["b"]);
});

test("A number that becomes an integer has its keys written again, also beside one that is none", async () => {
  const { client, embed, backfill } = await prepare(
    `create table amounts (id numeric(10, 2) primary key, body text); insert into amounts values (6, 'six'), (7, 'seven')`,
  );
  await embed("amounts");
  await client.query(`alter table amounts alter id type bigint;
    insert into autoembed.embedding_ledger (source_id, text_hash, key)
    select source_id, text_hash, 'NaN' from autoembed.embedding_ledger where key = '6.00'`);
  expect(await backfill("amounts")).toEqual([]);
  const { rows } = await client.query(
    "select key, model_id is not null as has_model from autoembed.embedding_ledger order by key",
  );
  expect(rows).toEqual(["6", "7"].map((key) => ({ key, has_model: true })));
});
