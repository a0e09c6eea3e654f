import { expect, onTestFinished, test, vi } from "vitest";
import { listSources } from "../../src/status/list-sources.ts";
import { DIMENSIONS } from "../support/listening.ts";
import { oracleVector } from "../support/provider-server.ts";
import { keysOfVectors, prepareVectorTable, wrongVectors } from "../support/vector-table.ts";

vi.setConfig({ testTimeout: 180_000 });

test("Vectors go to a table that watch makes, follow every change, and a view joins both tables", async () => {
  const { client, watched, db, listen } = await prepareVectorTable();
  expect(watched).toMatchObject({
    into: "app.documents_embeddings",
    view: "app.documents_with_embedding",
    columnAdded: true,
  });
  const columns = await client.query<{ attname: string }>(
    "select attname from pg_attribute where attrelid = 'app.documents'::regclass and attnum > 0",
  );
  expect(columns.rows.map(({ attname }) => attname)).toEqual(["id", "title", "body"]);
  expect((await listSources(db)).find(({ name }) => name === "docs")?.vector).toBe(
    `app.documents_embeddings.embedding vector(${DIMENSIONS})`,
  );

  const listener = await listen();
  await client.query(`insert into app.documents values (1, 'a', 'one'), (2, 'b', 'two'), (3, 'c', null), (4, 'd', '  '),
    (5, 'e', 'five'), (6, 'f', 'six'), (7, 'g', 'two')`);
  await listener.whenDrained();
  expect(await wrongVectors(client)).toEqual([]);
  expect(await keysOfVectors(client)).toEqual(["1", "2", "5", "6", "7"]);

  await client.query("update app.documents set body = 'one, changed' where id = 1");
  await client.query("update app.documents set body = '' where id = 2");
  await client.query("update app.documents set body = 'no longer blank' where id = 4");
  await client.query("delete from app.documents where id = 5");
  await client.query("update app.documents set id = 60 where id = 6");
  await client.query("update app.documents set id = 70, body = 'another key and text' where id = 7");
  await client.query(
    "begin; update app.documents set body = 'never was'; delete from app.documents; rollback",
  );
  await listener.whenDrained();
  expect(await wrongVectors(client)).toEqual([]);
  expect(await keysOfVectors(client)).toEqual(["1", "4", "60", "70"]);

  const { rows } = await client.query<{ id: string; title: string; embedded: boolean }>(
    "select id, title, embedding is not null as embedded from app.documents_with_embedding order by id limit 2",
  );
  expect(rows).toEqual([
    { id: "1", title: "a", embedded: true },
    { id: "2", title: "b", embedded: false },
  ]);
  await client.query("truncate app.documents cascade");
  expect(await keysOfVectors(client)).toEqual([]);
  expect((await client.query("select from autoembed.embedding_queue")).rowCount).toBe(0);
});

test.each([
  {
    what: "hostile names and a composite key",
    create: `create table app."Sel""ect; --" ("Ten ant" text, "where" uuid default gen_random_uuid(), "body" text,
      primary key ("Ten ant", "where"))`,
    watch: { table: `app."Sel""ect; --"`, text: "body", into: `"The ""vectors"" of 'them'"`, vector: `v"1` },
    insert: `insert into app."Sel""ect; --" ("Ten ant", body) values ('a, "b"', 'one'), ('{}', 'two')`,
    beside: `app."The ""vectors"" of 'them'"`,
    column: `"v""1"`,
    join: `t."Ten ant" = v."Ten ant" and t."where" = v."where"`,
    table: `app."Sel""ect; --"`,
  },
  {
    what: "a partitioned table, and halfvec",
    create: `create table app.events (id int, at date, body text, primary key (id, at)) partition by range (at);
      create table app.events_1 partition of app.events for values from ('2025-01-01') to ('2025-02-01');
      create table app.events_2 partition of app.events for values from ('2025-02-01') to ('2025-03-01')`,
    watch: { table: "app.events", text: "body", into: "events_vectors", type: "halfvec" as const },
    insert: `insert into app.events values (1, '2025-01-05', 'in January'), (2, '2025-02-05', 'in February');
      insert into app.events_2 values (3, '2025-02-06', 'straight into its partition');
      update app.events set at = '2025-02-07' where id = 1`,
    beside: "app.events_vectors",
    column: "embedding",
    join: "t.id = v.id and t.at = v.at",
    table: "app.events",
  },
  {
    what: "a unique index in place of a primary key, and another schema",
    create: `create schema if not exists elsewhere; create table app.codes (code varchar(20) not null, body text); create unique index on app.codes (code)`,
    watch: { table: "app.codes", text: "upper(body)", key: ["code"], into: "elsewhere.codes_vectors" },
    insert: "insert into app.codes values ('x', 'one'), ('y', 'two')",
    beside: "elsewhere.codes_vectors",
    column: "embedding",
    join: "t.code = v.code",
    table: "app.codes",
  },
])("Vectors in their own table are right for $what", async (given) => {
  const { client, listen } = await prepareVectorTable(given.create, given.watch);
  onTestFinished(async () => {
    await client.query("drop schema if exists elsewhere cascade");
  });
  const listener = await listen();
  await client.query(given.insert);
  await listener.whenDrained();
  const found = await client.query<{ text: string; vector: string | null }>(
    `select (${given.watch.text})::text as text, v.${given.column}::text as vector from ${given.table} t left join ${given.beside} v on ${given.join}`,
  );
  expect(found.rows.length).toBeGreaterThan(1);
  for (const { text, vector } of found.rows) {
    const expected = oracleVector(text, DIMENSIONS);
    (JSON.parse(vector ?? "[0]") as number[]).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 2);
    });
  }
  const beside = await client.query(`select from ${given.beside}`);
  expect(beside.rowCount).toBe(found.rowCount);
});

test("An update of another column leaves the table of vectors and its index as they are", async () => {
  const { client, listen } = await prepareVectorTable();
  const listener = await listen();
  await client.query("insert into app.documents select n, 't', 'text ' || n from generate_series(1, 50) n");
  await listener.whenDrained();
  await client.query(
    "create index vectors_hnsw on app.documents_embeddings using hnsw (embedding vector_cosine_ops)",
  );
  const state = async () =>
    (
      await client.query<{ rows: string; bytes: string }>(
        `select string_agg(ctid::text || xmin::text || xmax::text, ',' order by id) as rows,
          pg_relation_size('app.vectors_hnsw')::text as bytes from app.documents_embeddings`,
      )
    ).rows[0];
  const before = await state();
  for (let i = 0; i < 5; i++) await client.query("update app.documents set title = title || '!'");
  await listener.whenDrained();
  expect(await state()).toEqual(before);
});
