import { expect, test } from "vitest";
import { prepare, wrongRows } from "../support/listening.ts";

test("An inserted row receives its vector automatically", async () => {
  const { client, listen } = await prepare();
  const listener = await listen();

  await client.query("insert into patient_embeddings values (1, 'type 2 diabetes, HbA1c 9.1 %')");
  await listener.whenDrained();

  expect(await wrongRows(client)).toEqual([]);
});

test("A changed text gets a new vector, and an update that leaves the text alone queues nothing", async () => {
  const { client, provider, listen } = await prepare();
  const listener = await listen();
  await client.query("insert into patient_embeddings values (1, 'asthma'), (2, 'migraine')");
  await listener.whenDrained();
  const asked = provider.counts.inputs;

  await client.query(
    "update patient_embeddings set context_text = 'asthma, worse at night' where patient_id = 1",
  );
  await client.query("update patient_embeddings set context_text = context_text");
  await listener.whenDrained();

  expect(await wrongRows(client)).toEqual([]);
  expect(provider.counts.inputs - asked).toBe(1);
});

test("Rows that existed before the listener started are embedded when it starts", async () => {
  const { client, listen } = await prepare();
  await client.query(
    "insert into patient_embeddings select i, 'patient ' || i from generate_series(1, 300) i",
  );

  const listener = await listen();
  await listener.whenDrained();

  expect(await wrongRows(client)).toEqual([]);
});

test.each([
  [
    "an insert on conflict do update",
    "insert into patient_embeddings values (1, 'new') on conflict (patient_id) do update set context_text = excluded.context_text",
  ],
  ["a text set to blank", "update patient_embeddings set context_text = e' \\n\\t' where patient_id = 1"],
  ["a deleted row", "delete from patient_embeddings where patient_id = 1"],
  ["a changed key", "update patient_embeddings set patient_id = 99 where patient_id = 1"],
  ["two keys swapped by way of a third", "update patient_embeddings set patient_id = 100 - patient_id"],
  [
    "a delete and an insert in one statement",
    "with gone as (delete from patient_embeddings where patient_id = 1) insert into patient_embeddings values (50, 'back')",
  ],
  ["a truncate", "truncate patient_embeddings"],
  [
    "a hundred edits in one transaction",
    `do $$ begin for i in 1..100 loop update patient_embeddings set context_text = 'edit ' || i where patient_id = 1; end loop; end $$`,
  ],
])("Every row has the right vector and the queue is empty after %s", async (_what, statement) => {
  const { client, listen } = await prepare();
  const listener = await listen();
  await client.query("insert into patient_embeddings values (1, 'one'), (2, 'two'), (3, 'three')");
  await listener.whenDrained();

  await client.query(statement);
  await listener.whenDrained();

  expect(await wrongRows(client)).toEqual([]);
  const { rows } = await client.query("select * from autoembed.embedding_queue");
  expect(rows).toEqual([]);
});

test("A deleted row leaves the queue at once, and so do all rows of a truncated table", async () => {
  const { client } = await prepare();
  await client.query("insert into patient_embeddings values (1, 'one'), (2, 'two'), (3, 'three')");
  const queued = async () =>
    (await client.query("select key from autoembed.embedding_queue order by key")).rows.map(
      (row: { key: string }) => row.key,
    );
  expect(await queued()).toEqual(["1", "2", "3"]);

  await client.query("delete from patient_embeddings where patient_id = 2");
  expect(await queued()).toEqual(["1", "3"]);

  await client.query("truncate patient_embeddings");
  expect(await queued()).toEqual([]);
});

test("A change that is rolled back is never embedded", async () => {
  const { client, provider, listen } = await prepare();
  const listener = await listen();
  await client.query("begin; insert into patient_embeddings values (1, 'never said'); rollback");
  await client.query("insert into patient_embeddings values (2, 'said')");
  await listener.whenDrained();

  expect(provider.counts.inputs).toBe(2); // one to learn the dimensions, one text
  expect(await wrongRows(client)).toEqual([]);
});
