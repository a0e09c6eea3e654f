import { expect, test, vi } from "vitest";
import {
  chunksOf,
  expectAllChunksRight,
  prepareChunkedDocuments,
  prose,
  SPLIT,
} from "../support/chunked-documents.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { withClient } from "../support/with-client.ts";

vi.setConfig({ testTimeout: 180_000 });

test("A long text becomes chunks with vectors, and the chunks follow the text", async () => {
  const { client, listen, watch } = await prepareChunkedDocuments();
  const watched = await watch();
  expect(watched).toMatchObject({ name: "app.documents", chunks: SPLIT, columnAdded: true });
  const listener = await listen();
  await client.query("insert into app.documents values (1, $1), (2, 'short'), (3, ' '), (4, null)", [
    prose(40),
  ]);
  await listener.whenDrained();
  await expectAllChunksRight(client);
  expect((await chunksOf(client, 1)).length).toBeGreaterThan(10);
  expect(await chunksOf(client, 2)).toMatchObject([
    { chunk: 1, start_char: 0, end_char: 5, passage: "short" },
  ]);

  await client.query("update app.documents set body = $1 where id = 1", [prose(3, "b")]);
  await listener.whenDrained();
  await expectAllChunksRight(client);
  await client.query(
    "update app.documents set body = '' where id = 1; update app.documents set id = 7 where id = 2",
  );
  await listener.whenDrained();
  await expectAllChunksRight(client);
  expect(await chunksOf(client, 1)).toEqual([]);
  expect(await chunksOf(client, 7)).toHaveLength(1);
  await client.query("delete from app.documents");
  await listener.whenDrained();
  await expectAllChunksRight(client);
});

test("An edit in the middle of a long text sends the changed chunks alone to the provider, and moves no vector", async () => {
  const { client, listen, watch, provider } = await prepareChunkedDocuments();
  await watch();
  const listener = await listen();
  const sentences = prose(400).split(/(?<=\.) /);
  await client.query("insert into app.documents values (1, $1)", [sentences.join(" ")]);
  await listener.whenDrained();
  const before = await chunksOf(client, 1);
  const asked = provider.requests.length;
  await client.query("truncate autoembed.embedding_cache");

  const edited = [
    ...sentences.slice(0, 200),
    "One more sentence comes in here.",
    ...sentences.slice(200),
  ].join(" ");
  await client.query("update app.documents set body = $1 where id = 1", [edited]);
  await listener.whenDrained();
  await expectAllChunksRight(client);
  const after = await chunksOf(client, 1);
  const texts = new Set(before.map(({ passage }) => passage));
  const changed = after.filter(({ passage }) => !texts.has(passage));
  const sent = provider.requests.slice(asked).flatMap(({ texts: some }) => some);
  expect(sent.toSorted()).toEqual(changed.map(({ passage }) => passage).toSorted());
  expect(changed.length).toBeLessThan(10);
  expect(before.length).toBeGreaterThan(200);
  // A chunk that did not change is the same row as before, whatever its number is now.
  const idOf = new Map(before.map(({ passage, passage_id }) => [passage, passage_id]));
  for (const { passage, passage_id } of after) {
    if (texts.has(passage)) expect(idOf.get(passage)).toBe(passage_id);
  }
});

test("Chunks follow their rows in a partitioned table with a composite key", async () => {
  const { client, listen, watch } = await prepareChunkedDocuments(
    `create table app.documents (tenant text, id bigint, body text, primary key (tenant, id)) partition by list (tenant);
     create table app.documents_a partition of app.documents for values in ('a');
     create table app.documents_b partition of app.documents for values in ('b "b"')`,
  );
  await watch();
  const listener = await listen();
  await client.query(`insert into app.documents values ('a', 1, $1), ('b "b"', 2, $2)`, [
    prose(9, "a"),
    prose(9, "b"),
  ]);
  await listener.whenDrained();
  await expectAllChunksRight(client);
  await client.query("update app.documents set id = 3, body = body || ' More.' where id = 1");
  await client.query("delete from app.documents where id = 2");
  await listener.whenDrained();
  await expectAllChunksRight(client);
});

test("A listener that is killed between cutting and embedding loses no chunk", async () => {
  const { client, listen, watch, environment } = await prepareChunkedDocuments();
  await watch();
  const doomed = runCommand(["start"], { ...environment, OPENAI_BASE_URL: "http://127.0.0.1:9/v1" });
  await client.query("insert into app.documents values (1, $1)", [prose(30)]);
  await expect.poll(async () => (await chunksOf(client, 1)).length, { timeout: 30_000 }).toBeGreaterThan(5);
  doomed.process.kill("SIGKILL");
  await doomed.exited;
  expect((await chunksOf(client, 1)).every(({ embedding }) => embedding === null)).toBe(true);
  await (await listen()).whenDrained();
  await expectAllChunksRight(client);
});

describeNative("Cutting texts blocks no user", "needs transactions that run at the same time", () => {
  test("A text that a user holds, changes or rolls back is cut as it is in the end, and no user waits", async () => {
    const { client, database, listen, watch } = await prepareChunkedDocuments();
    await watch();
    const listener = await listen();
    await client.query("insert into app.documents values (1, $1), (2, $1)", [prose(20)]);
    await listener.whenDrained();
    const released = new Promise<void>((resolve) => {
      listener.events.on("released", () => {
        resolve();
      });
    });
    await withClient(database.url, async (user) => {
      // Both rows are queued first, and then held.
      await client.query("update app.documents set body = $1", [prose(25, "b")]);
      await user.query("begin");
      await user.query("set local statement_timeout = '5s'");
      await user.query("update app.documents set body = $1 where id = 1", [prose(15, "c")]);
      await user.query("select from app.documents_passages for update");
      await client.query("update app.documents set body = body || ' And more.' where id = 2");
      await released;
      await user.query("update app.documents set body = $1 where id = 1", [prose(12, "d")]);
      await user.query("commit");
      await user.query("begin");
      await user.query("update app.documents set body = 'never'");
      await user.query("rollback");
    });
    await listener.whenDrained();
    await expectAllChunksRight(client);
  });
});
