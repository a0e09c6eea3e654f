import { expect, test } from "vitest";
import { DIMENSIONS, prepare } from "../support/listening.ts";

const documents = `drop table if exists documents, document_vectors cascade;
  create table documents (id int primary key, title text, body text, updated_at timestamptz default now(),
    embedding vector(${DIMENSIONS}), length_of_embedding int generated always as (vector_dims(embedding)) stored)`;

test.each([
  "to_jsonb(documents)::text",
  "documents::text",
  "row_to_json(documents.*)::text",
  "title || embedding::text",
  "concat(title, embedding)",
  "title || length_of_embedding::text",
  "concat_ws(' ', title, embedding is null)",
])(
  "The text %s, which each vector would change, is not watched where the vectors are in the row",
  async (text) => {
    const { client } = await prepare();
    await client.query(documents);
    await expect(client.query("select autoembed.watch('documents', $1)", [text])).rejects.toThrow(
      /contains the vector, or the whole row/,
    );
    await client.query(`drop table if exists document_vectors; create table document_vectors (
    id int primary key references documents on update cascade on delete cascade, embedding vector(${DIMENSIONS}) not null)`);
    if (text.includes("embedding")) return;
    await client.query("select autoembed.watch('documents', $1, vector_table => 'document_vectors')", [text]);
  },
);

test("A row whose text a trigger changes at each write of its vector fails after a few requests, and no other does", async () => {
  const { client, provider, listen } = await prepare();
  await client.query(`${documents};
    create or replace function touch() returns trigger language plpgsql as $$ begin
      new.updated_at := clock_timestamp(); return new; end $$;
    create trigger touch before update on documents for each row when (old.id = 1) execute function touch();
    set datestyle = 'iso';
    select autoembed.watch('documents', 'title || '' '' || extract(epoch from updated_at)::text')`);
  const listener = await listen();
  const before = provider.requests.length;
  await client.query("insert into documents select i, 'title ' || i, 'body' from generate_series(1, 3) i");
  const failed = "select key, last_error from autoembed.embedding_queue where failed_at is not null";
  await expect.poll(async () => (await client.query(failed)).rowCount, { timeout: 60_000 }).toBe(1);
  await listener.whenDrained();

  const { rows } = await client.query<{ key: string; last_error: string }>(failed);
  expect(rows).toMatchObject([
    { key: "1", last_error: expect.stringMatching(/writing its vector changes its text/) as string },
  ]);
  const sent = provider.requests.slice(before).flatMap(({ texts }) => texts);
  expect(sent.filter((text) => text.startsWith("title 1")).length).toBeLessThanOrEqual(6);
  expect((await client.query("select from documents where embedding is null")).rowCount).toBe(0);
});

test(
  "Every row of a table whose text a trigger changes at each write fails, however many there are",
  { timeout: 120_000 },
  async () => {
    const { client, provider, listen } = await prepare();
    await client.query(`${documents};
    create trigger touch before update on documents for each row execute function touch();
    select autoembed.watch('documents', 'title || '' '' || extract(epoch from updated_at)::text')`);
    provider.latencyMs = 20;
    const before = provider.counts.inputs;
    const listener = await listen();
    await client.query("insert into documents select i, 'title ' || i from generate_series(1, 2000) i");
    await listener.whenDrained();
    const failed = "select from autoembed.embedding_queue where failed_at is not null";
    expect((await client.query(failed)).rowCount).toBe(2000);
    expect(provider.counts.inputs - before).toBeLessThan(2000 * 8);
  },
);

test("A row that its user changes often is not taken for one that its vector changes", async () => {
  const { client, listen } = await prepare();
  const listener = await listen();
  await client.query("insert into patient_embeddings values (1, 'first')");
  for (let i = 0; i < 20; i++) {
    await client.query("update patient_embeddings set context_text = $1", [`change ${i}`]);
    await listener.whenDrained();
  }
  expect((await client.query("select from autoembed.embedding_queue")).rowCount).toBe(0);
});
