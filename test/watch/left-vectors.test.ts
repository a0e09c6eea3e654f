import type pg from "pg";
import { expect, test, vi } from "vitest";
import { isProbe } from "../../src/providers/isolate/probe-text.ts";
import type { WatchOptions } from "../../src/watch/watch.ts";
import { DIMENSIONS } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { prepareVectorTable } from "../support/vector-table.ts";

vi.setConfig({ testTimeout: 180_000 });

const IN_ROW: WatchOptions = { table: "app.documents", text: "body", name: "docs" };

test.each([
  ["a table of their own", { into: "documents_embeddings" }],
  ["another column", { vector: "other" }],
])(
  "A source whose vectors were in %s for a while embeds the rows again whose text has changed since, and no others",
  async (_place, elsewhere) => {
    const { client, listen, watchAgain, backfill, provider } = await prepareVectorTable(undefined, IN_ROW);
    const listener = await listen();
    await client.query("insert into app.documents (id, body) values (1, 'one'), (2, 'two'), (3, 'three')");
    await listener.whenDrained();
    await watchAgain(elsewhere);
    await backfill();
    await client.query("update app.documents set body = 'changed' where id = 2");
    await listener.whenDrained();
    await client.query("update app.documents set body = 'pending' where id = 3");
    await listener.stop();

    await watchAgain();
    const asked = provider.requests.length;
    await backfill();
    expect(await wrongRows(client)).toEqual([]);
    const sent = provider.requests.slice(asked).flatMap(({ texts }) => (isProbe(texts) ? [] : texts));
    expect(sent).not.toContain("one");
  },
);

test.each(["a transaction of its own", "the transaction that watches them"])(
  "Rows that were restored in %s as they were while a change was pending are embedded again, and no others",
  async (transaction) => {
    const { client, listen, watchAgain, backfill, provider } = await prepareVectorTable(undefined, IN_ROW);
    const first = await listen();
    await client.query("insert into app.documents (id, body) values (1, 'one'), (2, 'two')");
    await first.whenDrained();
    await first.stop();
    await client.query(`update app.documents set body = 'changed' where id = 2;
      create table app.dumped as select * from app.documents`);
    const second = await listen();
    await second.whenDrained();
    await second.stop();

    const restore = `drop table app.documents; create table app.documents as select * from app.dumped;
      alter table app.documents add primary key (id)`;
    if (transaction === "a transaction of its own") {
      await client.query(restore);
      await watchAgain();
    } else {
      await client.query(`begin; ${restore}`);
      await client.query("select autoembed.watch('app.documents', 'body', source_name => 'docs')");
      await client.query("commit");
    }
    const asked = provider.requests.length;
    await backfill();
    expect(await wrongRows(client)).toEqual([]);
    const sent = provider.requests.slice(asked).flatMap(({ texts }) => (isProbe(texts) ? [] : texts));
    expect(sent).toEqual(["changed"]);
  },
);

test("Vectors that another tool made stay where the table was made again with them", async () => {
  const { client, listen, watchAgain, backfill } = await prepareVectorTable(undefined, IN_ROW);
  const theirs = JSON.stringify([...oracleVector("theirs", DIMENSIONS)]);
  await client.query("insert into app.documents (id, body, embedding) values (1, 'one', $1)", [theirs]);
  await backfill();
  await client.query(`create table app.copied as select * from app.documents; drop table app.documents;
    alter table app.copied rename to documents; alter table app.documents add primary key (id)`);
  await watchAgain();
  await backfill();
  const { rows } = await client.query("select embedding = $1 as kept from app.documents", [theirs]);
  expect(rows).toEqual([{ kept: true }]);
  await (await listen()).stop();
});

test.each(["halfvec", "vector"] as const)(
  "A source that comes back to a column of %s after one of the other type embeds the rows again whose text has changed since",
  async (type) => {
    const { client, listen, watchAgain, backfill } = await prepareVectorTable(undefined, { ...IN_ROW, type });
    const listener = await listen();
    await client.query("insert into app.documents (id, body) values (1, 'one'), (2, 'two')");
    await listener.whenDrained();
    await watchAgain({ vector: "other", type: type === "vector" ? "halfvec" : "vector" });
    await backfill();
    await client.query("update app.documents set body = 'changed' where id = 2");
    await listener.whenDrained();
    await listener.stop();

    await watchAgain({ type });
    await backfill();
    const { rows } = await client.query<{ body: string; embedding: string }>(
      "select body, embedding::vector::text as embedding from app.documents where id = 2",
    );
    const expected = await client.query<{ embedding: string }>(
      `select $1::${type}(${DIMENSIONS})::vector::text as embedding`,
      [JSON.stringify([...oracleVector("changed", DIMENSIONS)])],
    );
    expect(rows).toEqual([{ body: "changed", ...expected.rows[0] }]);
  },
);

test("A source that is given to another table, the former one being there, keeps nothing of the former's rows and leaves that table's vectors alone", async () => {
  const { client, watchAgain, backfill, provider } = await prepareVectorTable(undefined, IN_ROW);
  await client.query(
    "insert into app.documents (id, body) values (1, 'one'), (2, 'two'), (3, 'three'), (4, 'four')",
  );
  await backfill();
  const theirs = JSON.stringify([...oracleVector("theirs", DIMENSIONS)]);
  await client.query(`create table app.letters (id bigint primary key, body text, embedding vector(${DIMENSIONS}));
    insert into app.letters values (1, 'a letter', '${theirs}'), (2, 'another', '${theirs}'), (3, '', null)`);
  await watchAgain({ table: "app.letters" });
  const { rows: kept } = await client.query(
    "select key from autoembed.embedding_ledger union all select key from autoembed.embedding_cache",
  );
  expect(kept).toEqual([]);

  const asked = provider.counts.inputs;
  await backfill();
  const { rows } = await client.query(
    "select bool_and(embedding = $1) as kept from app.letters where id < 3",
    [theirs],
  );
  expect(rows).toEqual([{ kept: true }]);
  expect(provider.requests.flatMap(({ texts }) => texts).slice(asked)).not.toContain("a letter");
});

test("What is kept of a row is not given to another tenant's row where a longer key is the key of both", async () => {
  const { client, listen, watchAgain } = await prepareVectorTable(
    `create table app.documents (id bigint primary key, body text, embedding vector(${DIMENSIONS}), tenant int default 1)`,
    IN_ROW,
  );
  const listener = await listen();
  await client.query("insert into app.documents (id, body) values (1, 'former'), (2, 'two')");
  await listener.whenDrained();
  await client.query("update app.documents set body = 'one' where id = 1");
  await listener.whenDrained();
  await listener.stop();
  await client.query(`create table app.copy as select * from app.documents; drop table app.documents;
    alter table app.copy rename to documents; alter table app.documents add primary key (tenant, id);
    insert into app.documents values (1, 'of another tenant', null, 2)`);
  await watchAgain({ key: ["tenant", "id"] });
  await client.query("delete from app.documents where tenant = 1 and id = 1");
  const { rows } = await client.query(
    "select key from autoembed.embedding_ledger union all select key from autoembed.embedding_cache",
  );
  expect(rows).toEqual([{ key: '["1", "2"]' }]);
});

/** Keys of rows whose vector is not the oracle's for their text. */
async function wrongRows(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ id: string; body: string; embedding: string | null }>(
    "select id, body, embedding from app.documents order by id",
  );
  return rows.flatMap(({ id, body, embedding }) => {
    const actual = embedding === null ? null : Float32Array.from(JSON.parse(embedding) as number[]);
    return String(actual) === String(oracleVector(body, DIMENSIONS)) ? [] : [id];
  });
}
