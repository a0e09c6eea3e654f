import { expect, test, vi } from "vitest";
import { unwatch } from "../../src/watch/unwatch.ts";
import { DIMENSIONS } from "../support/listening.ts";
import { keysOfVectors, prepareVectorTable, wrongVectors } from "../support/vector-table.ts";

vi.setConfig({ testTimeout: 180_000 });

test.each([
  [
    "the key is missing",
    "create table app.documents_embeddings (embedding vector(8))",
    /no key column id bigint/,
  ],
  [
    "the key has another type",
    "create table app.documents_embeddings (id text primary key, embedding vector(8))",
    /no key column id bigint/,
  ],
  [
    "the key is not unique",
    "create table app.documents_embeddings (id bigint references app.documents on delete cascade on update cascade, embedding vector(8))",
    /not unique.*add primary key \(id\)/s,
  ],
  [
    "it has no foreign key that cascades",
    "create table app.documents_embeddings (id bigint primary key references app.documents, embedding vector(8))",
    /does not follow.*add foreign key \(id\) references app\.documents \(id\) on delete cascade on update cascade/s,
  ],
  [
    "it has another column that is NOT NULL",
    `create table app.documents_embeddings (id bigint primary key references app.documents on delete cascade on update cascade,
      embedding vector(8), author text not null)`,
    /author.*NOT NULL.*drop not null/s,
  ],
  [
    "its vectors have another length",
    `create table app.documents_embeddings (id bigint primary key references app.documents on delete cascade on update cascade,
      embedding vector(3))`,
    /dimensions|already exists/,
  ],
  ["it is a view", "create view app.documents_embeddings as select 1 as id", /not a table that can hold/],
])(
  "An existing table of vectors is refused where %s, with what to do, and nothing changes",
  async (_what, create, says) => {
    const { client, watchAgain } = await prepareWithout();
    await client.query(create);
    const columns = "select attrelid, attname from pg_attribute where attrelid >= 16384 order by 1, 2";
    const before = await client.query(columns);
    const refusal = await watchAgain({ dimensions: DIMENSIONS }).then(
      () => "was watched",
      (error: unknown) => `${(error as Error).message} ${(error as { remedy?: string }).remedy ?? ""}`,
    );
    expect(refusal).toMatch(says);
    expect((await client.query(columns)).rows).toEqual(before.rows);
  },
);

test("An existing table of the right shape is used for vectors, and its other columns and vectors stay as they are", async () => {
  const { client, listen, watchAgain } = await prepareWithout();
  await client.query(`create table app.documents_embeddings (
    id bigint primary key references app.documents on delete cascade on update cascade,
    embedding vector(${DIMENSIONS}), title_vector vector(${DIMENSIONS}), note text)`);
  expect(await watchAgain()).toMatchObject({ columnAdded: false, into: "app.documents_embeddings" });
  await watchAgain({ text: "title", vector: "title_vector", name: "titles" });
  const listener = await listen();
  await client.query("insert into app.documents values (1, 'title', 'body'), (2, 'only a title', '')");
  await listener.whenDrained();
  await client.query("update app.documents_embeddings set note = 'mine' where id = 1");
  await client.query("update app.documents set body = '', title = null where id = 1");
  await client.query("update app.documents set title = '' where id = 2");
  await listener.whenDrained();
  const { rows } = await client.query("select * from app.documents_embeddings");
  expect(rows).toEqual([{ id: "1", embedding: null, title_vector: null, note: "mine" }]);
});

test("Unwatch keeps the table of vectors and the view, and watching again uses them", async () => {
  const { client, db, listen, watchAgain } = await prepareVectorTable();
  const listener = await listen();
  await client.query("insert into app.documents values (1, 'a', 'one')");
  await listener.whenDrained();
  await unwatch(db, "docs");
  expect(await wrongVectors(client)).toEqual([]);
  expect((await client.query("select from app.documents_with_embedding")).rowCount).toBe(1);
  await client.query("delete from app.documents");
  expect(await keysOfVectors(client)).toEqual([]);
  expect(await watchAgain()).toMatchObject({ columnAdded: false });
});

async function prepareWithout() {
  const apart = await prepareVectorTable();
  await unwatch(apart.db, "docs");
  await apart.client.query("drop view app.documents_with_embedding; drop table app.documents_embeddings");
  return apart;
}
