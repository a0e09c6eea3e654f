import pg from "pg";
import { expect, test } from "vitest";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare, wrongRows } from "../support/listening.ts";

const WRONG = `'[${Array.from({ length: DIMENSIONS }, () => 9).join()}]'`;

test("A text whose vectors were overwritten in a thousand rows is paid for once, at once", async () => {
  const { client, listen, provider } = await prepare();
  const listener = await listen();
  await client.query("insert into patient_embeddings select n, 'N/A' from generate_series(1, 1000) n");
  await listener.whenDrained();
  await client.query(`update patient_embeddings set embedding = ${WRONG}`);
  await client.query("vacuum analyze autoembed.embedding_ledger");
  const paid = provider.counts.inputs;
  let released = 0;
  listener.events.on("released", ({ rows }) => (released += rows));
  await client.query("insert into patient_embeddings values (1001, 'N/A')");
  await listener.whenDrained(AbortSignal.timeout(30_000));
  expect(provider.counts.inputs).toBe(paid + 1);
  expect(released).toBeLessThan(5);
  expect((await wrongRows(client)).includes("1001")).toBe(false);
});

test("Rows whose key column was dropped and replaced by one of another type are embedded, without paying again for what they have", async () => {
  const { client, listen, provider } = await prepare();
  await client.query(`drop table if exists rekeyed;
    create table rekeyed (patient_id text primary key, context_text text, embedding vector(${DIMENSIONS}), n int unique not null);
    insert into rekeyed select 'key ' || n, 'text ' || n, null, n from generate_series(1, 20) n;
    select autoembed.watch('rekeyed', 'context_text');
    update rekeyed set context_text = context_text || '.'`);
  const listener = await listen();
  await listener.whenDrained();
  await client.query(`select autoembed.watch('rekeyed', 'context_text', array['n']);
    alter table rekeyed drop column patient_id`);
  const paid = provider.counts.inputs;
  await client.query("insert into rekeyed (context_text, n) values ('text 3.', 100)");
  await listener.whenDrained(AbortSignal.timeout(30_000));
  expect(provider.counts.inputs).toBe(paid);
  const { rows } = await client.query(
    "select (select count(*)::int from autoembed.embedding_queue) as queued, (select count(embedding)::int from rekeyed) as embedded",
  );
  expect(rows).toEqual([{ queued: 0, embedded: 21 }]);
});

test("A source that was paused and watched by another key does not keep its texts' rows elsewhere from being embedded", async () => {
  const { client, listen } = await prepare();
  await client.query(`drop table if exists lender;
    create table lender (id int primary key, name text unique not null, body text, embedding vector(${DIMENSIONS}));
    select autoembed.watch('lender', 'body');
    insert into lender select n, 'name ' || n, 'text ' || n from generate_series(1, 20) n`);
  const listener = await listen();
  await listener.whenDrained();
  await client.query(
    "update autoembed.embedding_source set paused = true where name = 'lender'; notify autoembed",
  );
  // In one transaction: the listener claims the rows before it reads that the source's key is another.
  await client.query(`select autoembed.watch('lender', 'body', array['name']);
    insert into patient_embeddings select n, 'text ' || n from generate_series(1, 20) n`);
  await expect
    .poll(
      async () => (await client.query("select from patient_embeddings where embedding is not null")).rowCount,
      { timeout: 30_000 },
    )
    .toBe(20);
  expect(await wrongRows(client)).toEqual([]);
});

test("A row whose table refuses the vector that another source lends fails, and is not tried for ever", async () => {
  const { client, listen } = await prepare();
  await client.query(`drop table if exists picky;
    create table picky (patient_id bigint primary key, context_text text, embedding vector(${DIMENSIONS}),
      check (embedding is null or patient_id <> 1));
    select autoembed.watch('picky', 'context_text')`);
  const listener = await listen();
  await client.query("insert into patient_embeddings values (1, 'one'), (2, 'two')");
  await listener.whenDrained();
  await client.query("insert into picky values (1, 'one'), (2, 'two')");
  await listener.whenDrained(AbortSignal.timeout(30_000));
  const { rows } = await client.query(
    "select key, last_error like '%23514%' as refused from autoembed.embedding_queue where failed_at is not null",
  );
  expect(rows).toEqual([{ key: "1", refused: true }]);
  expect(await wrongRows(client, "picky")).toEqual(["1"]);
});

test("A key that a table and one that inherits from it both have is embedded", async () => {
  const { client, listen } = await prepare();
  await client.query(`drop table if exists parent cascade;
    create table parent (id int primary key, body text, embedding vector(${DIMENSIONS}));
    create table child () inherits (parent);
    insert into child values (1, 'the same'); select autoembed.watch('parent', 'body');
    insert into parent values (1, 'the same')`);
  const listener = await listen();
  await listener.whenDrained(AbortSignal.timeout(30_000));
  const { rows } = await client.query(
    "select (select count(*)::int from autoembed.embedding_queue) as queued, count(embedding)::int as embedded from parent",
  );
  expect(rows).toEqual([{ queued: 0, embedded: 2 }]);
});

describeNative("The cache waits for no user", "needs two sessions at a time", () => {
  test("A user who deletes the row that a cached vector belongs to delays no other row, and is no deadlock's victim", async () => {
    const { client, database, listen } = await prepare();
    const listener = await listen();
    await client.query("insert into patient_embeddings values (2, 'b'), (7, 'a'), (8, 'other')");
    await listener.whenDrained();
    await client.query("update patient_embeddings set context_text = 'b2' where patient_id = 2");
    await listener.whenDrained();
    await client.query("update patient_embeddings set context_text = 'b' where patient_id = 7");
    await listener.whenDrained();
    const user = new pg.Client(database.url);
    await user.connect();
    try {
      await user.query("begin; delete from patient_embeddings where patient_id = 2");
      await client.query(
        "update patient_embeddings set context_text = context_text || ' changed' where patient_id in (7, 8)",
      );
      await listener.whenDrained(AbortSignal.timeout(10_000));
      await user.query("update patient_embeddings set context_text = 'after' where patient_id = 7");
      await user.query("commit");
    } finally {
      await user.end();
    }
    await listener.whenDrained(AbortSignal.timeout(10_000));
    expect(await wrongRows(client)).toEqual([]);
  });

  test("A row that a user holds with FOR UPDATE is paid for once, however often its vector cannot be written", async () => {
    const { client, database, listen, provider } = await prepare();
    const listener = await listen();
    await client.query("insert into patient_embeddings values (1, 'before')");
    await listener.whenDrained();
    const user = new pg.Client(database.url);
    await user.connect();
    provider.latencyMs = 200;
    await client.query("update patient_embeddings set context_text = 'held' where patient_id = 1");
    await user.query("begin; select from patient_embeddings where patient_id = 1 for update");
    let released = 0;
    const seen = new Promise<void>((resolve) =>
      listener.events.on("released", () => {
        if (++released === 4) resolve();
      }),
    );
    await seen;
    await user.query("commit");
    await user.end();
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect(provider.requests.filter(({ texts }) => texts.includes("held"))).toHaveLength(1);
    expect(await wrongRows(client)).toEqual([]);
  });
});
