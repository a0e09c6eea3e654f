import { expect, test } from "vitest";
import { prepareChunkedDocuments } from "../support/chunked-documents.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";

const KEYS = ["(1,a)", "(2,)", "(,)"];

test("Rows whose key is of a composite type are embedded, also if some or all of its fields are null", async () => {
  const { client, listen } = await prepare();
  await client.query(`drop schema if exists app cascade; create schema app; create type app.code as (a int, b text);
    create table app.t (code app.code primary key, body text, embedding vector(${DIMENSIONS}))`);
  await client.query("select autoembed.watch('app.t', 'body')");
  await client.query("insert into app.t select k::app.code, 'text of ' || k from unnest($1::text[]) k", [
    KEYS,
  ]);
  const queued = await client.query<{ key: string }>("select key from autoembed.embedding_queue");
  expect(queued.rows.map(({ key }) => key).sort()).toEqual([...KEYS].sort());
  const listener = await listen();
  await listener.whenDrained();
  await client.query("update app.t set body = body || '!'");
  await listener.whenDrained();
  const { rows } = await client.query("select code from app.t where embedding is null");
  expect(rows).toEqual([]);
});

test("Texts whose key is of a composite type are cut into chunks, also if all of its fields are null", async () => {
  const { client, listen, watch } = await prepareChunkedDocuments(
    "create type app.code as (a int, b text); create table app.documents (id app.code primary key, body text)",
  );
  await watch();
  const listener = await listen();
  await client.query(
    "insert into app.documents select k::app.code, 'text of ' || k from unnest($1::text[]) k",
    [KEYS],
  );
  await listener.whenDrained();
  const { rows } = await client.query<{ key: string }>(
    "select id::text as key from app.documents_passages where embedding is not null",
  );
  expect(rows.map(({ key }) => key).sort()).toEqual([...KEYS].sort());
});
