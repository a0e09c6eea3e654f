import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { showProgress } from "../../src/backfill/progress.ts";
import { runBackfill } from "../../src/backfill/run-backfill.ts";
import { search } from "../../src/application.ts";
import { replaceChunks } from "../../src/queue/replace-chunks.ts";
import { splitText } from "../../src/chunks/split-text.ts";
import { verifyChunks } from "../../src/verify/verify-chunks.ts";
import { searchChosen } from "../../src/search/search-source.ts";
import { choose } from "../../src/sources/choose-sources.ts";
import { setPaused } from "../../src/sources/set-paused.ts";
import { collectStatus } from "../../src/status/collect-status.ts";
import { listSources } from "../../src/watch/list-sources.ts";
import { watch, type WatchOptions } from "../../src/watch/watch.ts";
import { unwatch } from "../../src/watch/unwatch.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare, type Listening } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { withClient } from "../support/with-client.ts";

vi.setConfig({ testTimeout: 60_000 });

const SPLIT = { chunk: 120, overlap: 30, unit: "characters" } as const;
const INTO: WatchOptions = {
  table: "app.documents",
  text: "body",
  into: "documents_passages",
  chunks: SPLIT,
};

async function prepareDocuments(create = "create table app.documents (id bigint primary key, body text)") {
  const listening = await prepare();
  const { database, client, environment } = listening;
  await client.query(`drop schema if exists app cascade; create schema app; ${create}`);
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const config = { ...readConfig(environment), DATABASE_URL: database.url };
  const signal = new AbortController().signal;
  return {
    ...listening,
    db,
    config,
    backfill: async (all = false) => {
      const { sources, chunked } = await choose(db, "app.documents");
      return await runBackfill(config, sources, { chunked, all, progress: showProgress("none"), signal });
    },
    verify: async () => {
      const [chunkedSource] = (await choose(db, "app.documents")).chunked;
      if (chunkedSource === undefined) throw new Error("nothing is cut");
      return await verifyChunks(db, chunkedSource, { sample: 100, signal });
    },
    watch: (options: Partial<WatchOptions> = {}) => watch(db, config, { ...INTO, ...options }),
    unwatch: (name: string) => unwatch(db, name),
  };
}

/** A text of so many sentences, each another. */
function prose(sentences: number, seed = "a"): string {
  return Array.from(
    { length: sentences },
    (_, i) =>
      `Sentence ${seed}${i} tells of ${(i * 7919) % 1000} things and of number ${(i * 104729) % 977}.`,
  ).join(" ");
}

interface StoredPassage {
  readonly passage_id: string;
  readonly chunk: number;
  readonly start_char: number;
  readonly end_char: number;
  readonly passage: string;
  readonly embedding: string | null;
}

async function passagesOf(client: Listening["client"], id: number | string): Promise<StoredPassage[]> {
  const { rows } = await client.query<StoredPassage>(
    "select * from app.documents_passages where id = $1 order by chunk",
    [id],
  );
  return rows;
}

/** Every text's passages are those that it is cut into, with the oracle's vectors; nothing is left over. */
async function expectAllTrue(client: Listening["client"]): Promise<void> {
  const { rows } = await client.query<{ id: string; body: string | null }>(
    "select id, body from app.documents",
  );
  let passages = 0;
  for (const { id, body } of rows) {
    const stored = await passagesOf(client, id);
    const expected = splitText(body ?? "", SPLIT);
    expect(
      stored.map(({ start_char, end_char, passage }) => ({
        start: start_char,
        end: end_char,
        text: passage,
      })),
    ).toEqual(expected);
    expect(stored.map(({ chunk }) => chunk)).toEqual(expected.map((_, i) => i + 1));
    for (const { passage, embedding } of stored) {
      expect(Float32Array.from(JSON.parse(embedding ?? "[]") as number[])).toEqual(
        oracleVector(passage, DIMENSIONS),
      );
    }
    passages += stored.length;
  }
  const count = await client.query<{ count: string }>("select count(*) from app.documents_passages");
  expect(Number(count.rows[0]?.count)).toBe(passages);
  expect((await client.query("select from autoembed.embedding_queue")).rowCount).toBe(0);
}

test("A long text becomes chunks with vectors, and the chunks follow the text", async () => {
  const { client, listen, watch } = await prepareDocuments();
  const watched = await watch();
  expect(watched).toMatchObject({ name: "app.documents", chunks: SPLIT, columnAdded: true });
  const listener = await listen();
  await client.query("insert into app.documents values (1, $1), (2, 'short'), (3, ' '), (4, null)", [
    prose(40),
  ]);
  await listener.settled();
  await expectAllTrue(client);
  expect((await passagesOf(client, 1)).length).toBeGreaterThan(10);
  expect(await passagesOf(client, 2)).toMatchObject([
    { chunk: 1, start_char: 0, end_char: 5, passage: "short" },
  ]);

  await client.query("update app.documents set body = $1 where id = 1", [prose(3, "b")]);
  await listener.settled();
  await expectAllTrue(client);
  await client.query(
    "update app.documents set body = '' where id = 1; update app.documents set id = 7 where id = 2",
  );
  await listener.settled();
  await expectAllTrue(client);
  expect(await passagesOf(client, 1)).toEqual([]);
  expect(await passagesOf(client, 7)).toHaveLength(1);
  await client.query("delete from app.documents");
  await listener.settled();
  await expectAllTrue(client);
});

test("An edit in the middle of a long text sends the changed chunks alone to the provider, and moves no vector", async () => {
  const { client, listen, watch, provider } = await prepareDocuments();
  await watch();
  const listener = await listen();
  const sentences = prose(400).split(/(?<=\.) /);
  await client.query("insert into app.documents values (1, $1)", [sentences.join(" ")]);
  await listener.settled();
  const before = await passagesOf(client, 1);
  const asked = provider.requests.length;
  await client.query("truncate autoembed.embedding_cache");

  const edited = [
    ...sentences.slice(0, 200),
    "One more sentence comes in here.",
    ...sentences.slice(200),
  ].join(" ");
  await client.query("update app.documents set body = $1 where id = 1", [edited]);
  await listener.settled();
  await expectAllTrue(client);
  const after = await passagesOf(client, 1);
  const texts = new Set(before.map(({ passage }) => passage));
  const changed = after.filter(({ passage }) => !texts.has(passage));
  const sent = provider.requests.slice(asked).flatMap(({ texts: some }) => some);
  expect(sent.toSorted()).toEqual(changed.map(({ passage }) => passage).toSorted());
  expect(changed.length).toBeLessThan(10);
  expect(before.length).toBeGreaterThan(200);
  // What did not change is the same row as before, however it is numbered now.
  const idOf = new Map(before.map(({ passage, passage_id }) => [passage, passage_id]));
  for (const { passage, passage_id } of after) {
    if (texts.has(passage)) expect(idOf.get(passage)).toBe(passage_id);
  }
});

test("A search finds each row once by its best chunk, however many chunks other rows have", async () => {
  const { client, listen, watch, config } = await prepareDocuments();
  await watch();
  const listener = await listen();
  // Row 1 has by far the most passages that are near to the query.
  const near = Array.from({ length: 300 }, (_, i) => `About diabetes, case ${i}.`.padEnd(70, "x") + ".").join(
    " ",
  );
  await client.query(
    `insert into app.documents select 1, $1 union all select n, 'Row ' || n || ' says this. ' || $2 from generate_series(2, 6) n`,
    [near, prose(6)],
  );
  await listener.settled();
  const asked = (await passagesOf(client, 1))[2]?.passage ?? "";
  const { rows: best } = await client.query<{ key: string; distance: number; chunk: number }>(
    `select distinct on (id) id::text as key, embedding <=> $1::vector as distance, chunk from app.documents_passages
     order by id, embedding <=> $1::vector, chunk`,
    [`[${oracleVector(asked, DIMENSIONS).join(",")}]`],
  );
  const expected = best.toSorted((a, b) => a.distance - b.distance);
  const found = await search(config, asked, { source: "app.documents", limit: 6, withText: true });
  expect(found.map(({ key, chunk }) => ({ key, chunk: chunk?.number }))).toEqual(
    expected.map(({ key, chunk }) => ({ key, chunk })),
  );
  expect(found[0]).toMatchObject({ key: "1", text: asked });
  const { rows: fromSql } = await client.query<{ key: string; chunk: number; said: string }>(
    `select s.key, s.chunk, substr(d.body, s.start_char + 1, s.end_char - s.start_char) as said
     from autoembed.search('app.documents', $1::vector, 6) s join app.documents d on d.id = s.key::bigint order by s.distance`,
    [`[${oracleVector(asked, DIMENSIONS).join(",")}]`],
  );
  expect(fromSql.map(({ key, chunk }) => ({ key, chunk }))).toEqual(
    expected.map(({ key, chunk }) => ({ key, chunk })),
  );
  expect(fromSql[0]?.said).toBe(asked);
  expect(await search(config, asked, { source: "app.documents", limit: 2 })).toHaveLength(2);
});

test("A backfill cuts existing texts, repairs chunks of texts that were changed with triggers disabled, and cuts all texts again for other sizes", async () => {
  const { client, watch, backfill, verify, db } = await prepareDocuments();
  await client.query("insert into app.documents select n, $1 || n from generate_series(1, 5) n", [prose(20)]);
  await watch();
  const report = await backfill();
  expect(report).toMatchObject({ pending: 0, failed: 0 });
  expect(report.done).toBeGreaterThan(50);
  await expectAllTrue(client);
  expect(await verify()).toMatchObject({ sampled: 5, ok: true });
  expect((await collectStatus(db)).sources).toContainEqual(
    expect.objectContaining({ name: "app.documents", rows: 5, current: 5, trouble: null }),
  );

  await client.query(`alter table app.documents disable trigger user;
    update app.documents set body = replace(body, 'Sentence a7', 'Phrase a7') where id = 1;
    update app.documents set body = body || ' And more.' where id = 2;
    update app.documents set body = ' ' where id = 3;
    alter table app.documents enable trigger user;
    delete from app.documents_passages where id = 4`);
  expect(await verify()).toMatchObject({ different_rows: 4, ok: false });
  await backfill();
  await expectAllTrue(client);

  await watch({ chunks: { chunk: 300, overlap: 0 } });
  expect(await verify()).toMatchObject({ ok: false });
  await backfill(true);
  expect(await verify()).toMatchObject({ sampled: 5, ok: true });
  expect((await passagesOf(client, 5)).some(({ passage }) => passage.length > 150)).toBe(true);
});

test("A chunked source and the source of its chunks are paused, listed and unwatched as one", async () => {
  const { client, listen, watch, unwatch, db } = await prepareDocuments();
  await watch();
  const listener = await listen();
  await client.query("insert into app.documents values (1, 'one')");
  await listener.settled();
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
  expect(await passagesOf(client, 1)).toHaveLength(1);
  // Watched again, its passages are still there.
  await watch();
  await client.query("update app.documents set body = 'two'");
  await listener.settled();
  await expectAllTrue(client);
});

test.each([
  ["a missing table for the chunks", { into: undefined }, /table of their own/],
  ["an overlap as long as a chunk", { chunks: { chunk: 100, overlap: 100 } }, /half of --chunk/],
  ["a chunk of nothing", { chunks: { chunk: 0 } }, /at least 20/],
  ["a length that is no number", { chunks: { chunk: Number.NaN } }, /at least 20/],
  ["a table of another shape", { into: "app.others" }, /cannot hold passages|no key column/],
] as const)("Watching in chunks is refused for %s", async (_, options, message) => {
  const { watch, client } =
    await prepareDocuments(`create table app.documents (id bigint primary key, body text);
    create table app.others (id bigint primary key references app.documents on delete cascade on update cascade, embedding vector(8))`);
  await expect(watch(options as Partial<WatchOptions>)).rejects.toThrow(message);
  expect(
    (await client.query("select from autoembed.embedding_source where name like 'app.%'")).rowCount,
  ).toBe(0);
});

test("Watching in chunks is refused for a key column with the name of a chunk's column", async () => {
  const { watch } = await prepareDocuments(
    "create table app.documents (chunk bigint primary key, body text)",
  );
  await expect(watch()).rejects.toThrow(/column chunk/);
});

test("Chunks follow their rows in a partitioned table with a composite key", async () => {
  const { client, listen, watch } = await prepareDocuments(
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
  await listener.settled();
  await expectAllTrue(client);
  await client.query("update app.documents set id = 3, body = body || ' More.' where id = 1");
  await client.query("delete from app.documents where id = 2");
  await listener.settled();
  await expectAllTrue(client);
});

test("Hybrid search over chunks finds each row once", async () => {
  const { client, listen, watch, db } = await prepareDocuments();
  await watch();
  const listener = await listen();
  await client.query(`insert into app.documents values (1, $1), (2, $2)`, [
    `${prose(8)} Amlodipine was given. ${prose(8, "b")} Amlodipine was stopped.`,
    prose(8, "c"),
  ]);
  await listener.settled();
  const options = { query: "amlodipine", language: "english", limit: 5, withText: true };
  const found = await searchChosen(
    db,
    await choose(db, "app.documents"),
    oracleVector("amlodipine", DIMENSIONS),
    options,
  );
  expect(found.map(({ key }) => key).toSorted()).toEqual(["1", "2"]);
  expect(found[0]).toMatchObject({ key: "1" });
  expect(found[0]?.text).toMatch(/Amlodipine/);
});

test("A listener that is killed between cutting and embedding loses no chunk", async () => {
  const { client, listen, watch, environment } = await prepareDocuments();
  await watch();
  const doomed = runCommand(["start"], { ...environment, OPENAI_BASE_URL: "http://127.0.0.1:9/v1" });
  await client.query("insert into app.documents values (1, $1)", [prose(30)]);
  await expect.poll(async () => (await passagesOf(client, 1)).length, { timeout: 30_000 }).toBeGreaterThan(5);
  doomed.process.kill("SIGKILL");
  await doomed.exited;
  expect((await passagesOf(client, 1)).every(({ embedding }) => embedding === null)).toBe(true);
  await (await listen()).settled();
  await expectAllTrue(client);
});

describeNative("Cutting texts blocks no user", "needs transactions that run at the same time", () => {
  test("A text that a user holds, changes or rolls back is cut as it is in the end, and no user waits", async () => {
    const { client, database, listen, watch } = await prepareDocuments();
    await watch();
    const listener = await listen();
    await client.query("insert into app.documents values (1, $1), (2, $1)", [prose(20)]);
    await listener.settled();
    const released = new Promise<void>((resolve) => {
      listener.events.on("released", () => {
        resolve();
      });
    });
    await withClient(database.url, async (user) => {
      // Both are queued; their rows are then held.
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
    await listener.settled();
    await expectAllTrue(client);
  });
});

describeNative("Chunks are replaced with care", "needs transactions that run at the same time", () => {
  test("Chunks are replaced neither for another text nor while a user holds one of them", async () => {
    const { client, database, watch, db } = await prepareDocuments();
    await watch();
    await client.query(`insert into app.documents values (1, 'one'); insert into app.documents_passages
      (id, chunk, start_char, end_char, passage) values (1, 1, 0, 3, 'two')`);
    const [chunkedSource] = (await choose(db, "app.documents")).chunked;
    const { rows } = await client.query<{ ticket: string; hash: Buffer }>(
      "select ticket, sha256('one') as hash from autoembed.embedding_queue where key = '1' and source_id = $1",
      [chunkedSource?.id],
    );
    const [queued] = rows;
    if (chunkedSource === undefined || queued === undefined) throw new Error("nothing is queued");
    const passages = splitText("one", SPLIT);
    const replace = (hash: Buffer) => replaceChunks(db, chunkedSource, queued.ticket, hash, passages);
    expect(await replace(Buffer.alloc(32))).toBeUndefined();
    await withClient(database.url, async (user) => {
      await user.query("begin; select from app.documents_passages for update");
      expect(await replace(queued.hash)).toBeUndefined();
      await user.query("commit");
    });
    expect(await passagesOf(client, 1)).toMatchObject([{ passage: "two" }]);
    expect(await replace(queued.hash)).toEqual({ fresh: 1, written: true });
    expect(await passagesOf(client, 1)).toMatchObject([{ passage: "one" }]);
  });
});
