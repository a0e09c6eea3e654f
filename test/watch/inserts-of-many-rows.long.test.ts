import { once } from "node:events";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { describeNative } from "../support/database.ts";
import { prepare, wrongRows } from "../support/listening.ts";

const MANY = 70;
const insertFrom = (first: number, text = "note"): string =>
  `insert into patient_embeddings select n, '${text} ' || n from generate_series(${first}, ${first + MANY - 1}) n`;

interface Queued {
  readonly key: string;
  readonly ticket: string;
  readonly failed: boolean;
}

async function queued(client: pg.Client): Promise<Queued[]> {
  const { rows } = await client.query<Queued>(
    "select key, ticket, failed_at is not null as failed from autoembed.embedding_queue order by key::bigint",
  );
  return rows;
}

test("An insert of many rows queues each row once, and skips blank texts and rows that have a vector", async () => {
  const { client } = await prepare();
  await client.query(`insert into patient_embeddings
    select n, case n % 4 when 0 then ' ' else 'note ' || n end, case n % 4 when 1 then '[1,0,0,0,0,0,0,0]'::vector end
    from generate_series(1, ${MANY}) n`);
  const wanted = Array.from({ length: MANY }, (_, i) => i + 1).filter((n) => n % 4 > 1);
  expect((await queued(client)).map(({ key }) => Number(key))).toEqual(wanted);
});

test("An insert of many rows gives each a fresh ticket, and makes a row that had failed pending again", async () => {
  const { client, listen } = await prepare();
  await client.query(
    "insert into autoembed.embedding_queue (source_id, key, failed_at, last_error, attempts) select 1, key, now(), 'before', 1 from unnest('{7,1000}'::text[]) key",
  );
  const before = await queued(client);
  await client.query(insertFrom(1));
  const after = await queued(client);
  expect(after.map(({ key }) => key)).toEqual([
    ...Array.from({ length: MANY }, (_, i) => String(i + 1)),
    "1000",
  ]);
  expect(after.filter(({ failed }) => failed)).toEqual([before[1]]);
  expect(Number(after[6]?.ticket)).toBeGreaterThan(Number(before[1]?.ticket));
  expect(new Set(after.map(({ ticket }) => ticket)).size).toBe(after.length);
  const listener = await listen();
  await listener.whenDrained();
  expect(await wrongRows(client)).toEqual([]);
});

test("Many rows that are deleted and inserted again in one transaction are queued as they are at its end", async () => {
  const { client, listen } = await prepare();
  await client.query("begin");
  for (let i = 0; i < 3; i++) {
    await client.query(insertFrom(1, `version ${i}`));
    if (i < 2) await client.query("delete from patient_embeddings");
  }
  await client.query("savepoint s");
  await client.query(insertFrom(1_000));
  await client.query("rollback to s");
  await client.query("commit");
  expect(await queued(client)).toHaveLength(MANY);
  const listener = await listen();
  await listener.whenDrained();
  expect(await wrongRows(client)).toEqual([]);
});

test.each(["'abc'", "'99999999999'", "'-5'", "''"])(
  "An insert of many rows queues them all when our session setting was %s before",
  async (value) => {
    const { client } = await prepare();
    await client.query(`set autoembed.plain_inserts = ${value}`);
    await client.query(insertFrom(1));
    await client.query("reset autoembed.plain_inserts");
    expect(await queued(client)).toHaveLength(MANY);
  },
);

test("An insert of many rows queues them all where columns have odd names, and after a column is renamed", async () => {
  const { client } = await prepare();
  await client.query("drop table if exists odd");
  for (const name of ["plain", "n", "q", "found"]) {
    await client.query(
      `create table odd ("${name}_key" bigint primary key, "${name}" text, embedding vector(8))`,
    );
    await client.query(
      `select autoembed.watch('public.odd', '${name === "plain" ? name : `"${name}"`}', source_name => 'odd')`,
    );
    const insert = (first: number): string =>
      `insert into odd select i, 'text ' || i from generate_series(${first}, ${first + MANY - 1}) i`;
    await client.query(insert(1));
    await client.query(`alter table odd rename "${name}" to renamed`);
    await client.query(insert(1_000));
    await client.query(insert(3_000).replace(/generate_series.*\)/, "generate_series(3000, 3002)"));
    expect((await queued(client)).length).toBe(2 * MANY + 3);
    await client.query("select autoembed.unwatch('odd'); drop table odd");
  }
});

describeNative("An insert of many rows notifies listeners at once", "needs several sessions", () => {
  test.each(["read committed", "repeatable read", "serializable"])(
    "An insert of many rows notifies at once though one row was queued already, at isolation level %s",
    async (level) => {
      const { client, database } = await prepare();
      const hearing = new pg.Client(database.url);
      await hearing.connect();
      onTestFinished(() => hearing.end());
      await hearing.query("listen autoembed");
      await client.query(
        "insert into autoembed.embedding_listener (host, pid, version) values ('here', 1, '0')",
      );
      for (const first of [1, 1_000]) {
        await client.query(
          `insert into autoembed.embedding_queue (source_id, key) select 1, '1001' where ${first} = 1000`,
        );
        const heard = once(hearing, "notification");
        await client.query(`begin isolation level ${level}; ${insertFrom(first)}; commit`);
        await heard;
        expect((await queued(client)).filter(({ key }) => Number(key) >= first)).toHaveLength(MANY);
      }
    },
  );
});

describeNative("Triggers use few subtransactions", "needs a session of Postgres 16", () => {
  test("A hundred inserts of many rows in one transaction use eight subtransactions and do not overflow", async (context) => {
    const { client } = await prepare();
    await client.query("begin");
    for (let i = 0; i < 100; i++) await client.query(insertFrom(i * MANY + 1));
    const used = await subtransactions(client);
    if (used === undefined) context.skip("Postgres reports subtransactions from version 16 on");
    await client.query("commit");
    expect(used).toEqual({ count: 8, overflowed: false });
    expect(await queued(client)).toHaveLength(100 * MANY);
    // The next transaction begins to count again.
    await client.query(insertFrom(10_000));
    expect(await queued(client)).toHaveLength(101 * MANY);
  });

  test.each([
    ["of single rows", "", (key: number) => `delete from app.gone where id = ${key}`],
    ["of rows of a partitioned table", "partition by range (id)", () => "delete from app.gone"],
  ])(
    "A hundred deletes %s in one transaction use one subtransaction and erase what was made from them",
    async (_what, partitioned, statement) => {
      const { client } = await prepare();
      await client.query(`drop schema if exists app cascade; create schema app;
        create table app.gone (id int primary key, body text, embedding vector(8)) ${partitioned}`);
      if (partitioned !== "")
        await client.query("create table app.gone_1 partition of app.gone for values from (0) to (1000)");
      await client.query(`select autoembed.watch('app.gone', 'body', source_name => 'gone');
        insert into app.gone select id, 'text ' || id from generate_series(1, 100) id;
        insert into autoembed.embedding_ledger (source_id, text_hash, key)
        select source_id, sha256(key::bytea), key from autoembed.embedding_queue`);
      expect(await held(client)).toBe(200);
      await client.query("begin");
      for (let key = 1; key <= 100; key++) await client.query(statement(key));
      const used = await subtransactions(client);
      await client.query("commit");
      expect(await held(client)).toBe(0);
      // Postgres reports them from version 16 on.
      if (used !== undefined) expect(used).toEqual({ count: 1, overflowed: false });
    },
  );
});

/** Those of the session's transaction that have an id. Undefined where Postgres does not report them. */
async function subtransactions(
  client: pg.Client,
): Promise<{ count: number; overflowed: boolean } | undefined> {
  const { rows: functions } = await client.query<{ tells: boolean }>(
    "select to_regproc('pg_stat_get_backend_subxact') is not null as tells",
  );
  if (functions[0]?.tells !== true) return undefined;
  const { rows } = await client.query<{ count: number; overflowed: boolean }>(`
    select s.subxact_count as count, s.subxact_overflowed as overflowed
    from pg_stat_get_backend_idset() as b(id), pg_stat_get_backend_subxact(b.id) s
    where pg_stat_get_backend_pid(b.id) = pg_backend_pid()`);
  return rows[0];
}

/** How many entries queue and ledger have. */
async function held(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ n: number }>(`
    select ((select count(*) from autoembed.embedding_queue) + (select count(*) from autoembed.embedding_ledger))::int as n`);
  return rows[0]?.n ?? 0;
}
