import { expect, test, vi } from "vitest";
import { setPaused } from "../../src/sources/set-paused.ts";
import { listSources } from "../../src/status/list-sources.ts";
import type { WatchOptions } from "../../src/watch/watch.ts";
import {
  chunksOf,
  expectAllChunksRight,
  prepareChunkedDocuments,
  SPLIT,
} from "../support/chunked-documents.ts";

vi.setConfig({ testTimeout: 180_000 });

test("A chunked source and the source of its chunks are paused, listed and unwatched as one", async () => {
  const { client, listen, watch, unwatch, db } = await prepareChunkedDocuments();
  await watch();
  const listener = await listen();
  await client.query("insert into app.documents values (1, 'one')");
  await listener.whenDrained();
  expect(await setPaused(db, "app.documents", true)).toBe(true);
  const { rows } = await client.query(
    "select name from autoembed.embedding_source where paused order by name",
  );
  expect(rows).toEqual([{ name: "app.documents" }, { name: "app.documents_passages" }]);
  const listed = (await listSources(db)).filter(({ name }) => name.startsWith("app."));
  expect(listed).toMatchObject([{ name: "app.documents", state: "paused", chunks: SPLIT }]);
  await expect(unwatch("app.documents_passages")).rejects.toThrow(/both are watched together/);
  await unwatch("app.documents");
  expect(
    (await client.query("select from autoembed.embedding_source where name like 'app.%'")).rowCount,
  ).toBe(0);
  expect(await chunksOf(client, 1)).toHaveLength(1);
  // When it is watched again, its chunks are still there.
  await watch();
  await client.query("update app.documents set body = 'two'");
  await listener.whenDrained();
  await expectAllChunksRight(client);
});

test.each([
  ["a missing table for the chunks", { into: undefined }, /table of their own/],
  ["an overlap as long as a chunk", { chunks: { chunk: 100, overlap: 100 } }, /half of --chunk/],
  ["a chunk of nothing", { chunks: { chunk: 0 } }, /at least 20/],
  ["a length that is no number", { chunks: { chunk: Number.NaN } }, /at least 20/],
  ["a table of another shape", { into: "app.others" }, /table app\.others cannot hold chunks/],
] as const)("Watching in chunks is refused for %s", async (_, options, message) => {
  const { watch, client } =
    await prepareChunkedDocuments(`create table app.documents (id bigint primary key, body text);
    create table app.others (id bigint primary key references app.documents on delete cascade on update cascade, embedding vector(8))`);
  await expect(watch(options as Partial<WatchOptions>)).rejects.toThrow(message);
  expect(
    (await client.query("select from autoembed.embedding_source where name like 'app.%'")).rowCount,
  ).toBe(0);
});

test("Watching in chunks is refused under the name that their own source has", async () => {
  const { watch } = await prepareChunkedDocuments(
    "create table app.documents (id bigint primary key, body text)",
  );
  await expect(watch({ name: "app.documents_passages" })).rejects.toThrow(
    "the name 'app.documents_passages' is that of the chunks",
  );
});

test("Watching in chunks is refused for a key column with the name of a chunk's column", async () => {
  const { watch } = await prepareChunkedDocuments(
    "create table app.documents (chunk bigint primary key, body text)",
  );
  await expect(watch()).rejects.toThrow(/column chunk/);
});
