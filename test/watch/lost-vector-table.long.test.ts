import { expect, test, vi } from "vitest";
import { prepareVectorTable, wrongVectors } from "../support/vector-table.ts";

vi.setConfig({ testTimeout: 180_000 });

const WAIT = { timeout: 30_000, interval: 50 };

test.each([
  ["the table is dropped", "drop table app.documents_embeddings cascade", /vectors was dropped.*--into/, {}],
  [
    "its vector column is dropped",
    "alter table app.documents_embeddings drop embedding cascade",
    /documents_embeddings has no column embedding/,
    {},
  ],
  [
    "its vector column is renamed",
    "alter table app.documents_embeddings rename embedding to vec",
    /documents_embeddings has no column embedding/,
    { vector: "vec" },
  ],
  [
    "its key column is renamed",
    "alter table app.documents_embeddings rename id to document_id",
    /key column id of app\.documents is not in app\.documents_embeddings/,
    "alter table app.documents_embeddings rename document_id to id",
  ],
])("A table of vectors is reported when %s, and delays no other source", async (_what, alter, says, heal) => {
  const { client, listen, problemOf, watchAgain, backfill } = await prepareVectorTable();
  const listener = await listen();
  await client.query("insert into app.documents values (1, 'a', 'before')");
  await listener.whenDrained();
  await client.query(alter);
  await client.query("insert into app.documents values (2, 'b', 'after')");
  await client.query("update app.documents set body = 'changed' where id = 1");
  await client.query("insert into patient_embeddings values (7, 'another source')");
  await vi.waitFor(async () => {
    expect((await client.query("select from patient_embeddings where embedding is null")).rowCount).toBe(0);
    expect(await problemOf()).toMatch(says);
  }, WAIT);

  if (typeof heal === "string") await client.query(heal);
  else await watchAgain(heal);
  await backfill();
  await client.query("alter table app.documents_embeddings rename vec to embedding").catch(() => undefined);
  expect(await wrongVectors(client)).toEqual([]);
});

test("A renamed table of vectors is still filled", async () => {
  const { client, listen } = await prepareVectorTable();
  const listener = await listen();
  await client.query("insert into app.documents values (1, 'a', 'one')");
  await listener.whenDrained();
  await client.query("alter table app.documents_embeddings rename to vectors_of_documents");
  await client.query("insert into app.documents values (2, 'b', 'two')");
  await listener.whenDrained();
  const { rows } = await client.query(
    "select id from app.vectors_of_documents where embedding is not null order by 1",
  );
  expect(rows).toEqual([{ id: "1" }, { id: "2" }]);
});

test("A renamed table of vectors whose name another one got is still filled, and the other one is not", async () => {
  const { client, listen } = await prepareVectorTable();
  const listener = await listen();
  await client.query("insert into app.documents values (1, 'a', 'one')");
  await listener.whenDrained();
  await client.query(`begin; alter table app.documents_embeddings rename to vectors_of_documents;
    create table app.documents_embeddings (like app.vectors_of_documents including all); commit`);
  await client.query("insert into app.documents values (2, 'b', 'two')");
  await listener.whenDrained();
  const { rows } = await client.query(
    "select id from app.vectors_of_documents where embedding is not null order by 1",
  );
  expect(rows).toEqual([{ id: "1" }, { id: "2" }]);
  expect((await client.query("select from app.documents_embeddings")).rowCount).toBe(0);
});
