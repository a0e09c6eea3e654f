import { expect, onTestFinished, test, vi } from "vitest";
import type pg from "pg";
import { connect } from "../../src/database/connect.ts";
import { claim } from "../../src/queue/claim.ts";
import { newestTicket } from "../../src/queue/counts.ts";
import { dropDeleted } from "../../src/queue/drop-deleted.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { lendingOf } from "../support/test-lending.ts";

vi.setConfig({ testTimeout: 180_000 });

test("A source that is watched by another key has its pending and failed rows, and no others, pending under the new key", async () => {
  const { client, watch, pending } = await prepareNotes();
  await client.query(
    `insert into notes (id, number, body) values (1, 2, 'a'), (2, 1, 'b'), (3, 30, 'c'), (4, 4, 'd')`,
  );
  await client.query("delete from autoembed.embedding_queue where key = '4'");
  await client.query(
    "update autoembed.embedding_queue set failed_at = now(), last_error = 'why' where key = '3'",
  );
  await watch("body", ["number"]);
  expect(await pending()).toEqual(["1", "2", "30"]);
  await watch("body", ["id", "number"]);
  expect(await pending()).toEqual(['["1", "2"]', '["2", "1"]', '["3", "30"]']);
});

test("A source whose key column was renamed keeps its pending rows, and one whose key column was dropped queues every row", async () => {
  const { client, watch, pending } = await prepareNotes();
  await client.query("insert into notes (id, number, body) values (1, 10, 'a'), (2, 20, 'b')");
  await client.query("delete from autoembed.embedding_queue where key = '2'");
  await client.query("alter table notes rename id to note_id");
  await watch("body", ["note_id"]);
  expect(await pending()).toEqual(["1"]);
  await client.query("truncate autoembed.embedding_queue");
  // No row has a name in the queue any more.
  await client.query("alter table notes drop note_id; update notes set body = body || '!' where number = 20");
  await client.query("insert into notes (number, body) values (30, 'c')");
  expect(await pending()).toEqual([]);
  await watch("body", ["number"]);
  expect(await pending()).toEqual(["10", "20", "30"]);
});

test.each([
  ["that it has next to the former", ""],
  ["in place of one that was dropped", "alter table notes drop id"],
])(
  "A source that is watched by a key %s leaves out rows whose key is too long, as its triggers do",
  async (_, alter) => {
    const { client, watch, pending } = await prepareNotes();
    await client.query(`insert into notes (id, number, body) values (1, 10, 'short'), (2, 20, 'long'), (3, 30, 'embedded');
      delete from autoembed.embedding_queue where key = '3'`);
    for (const key of ["1", "3"])
      await client.query(
        `insert into autoembed.embedding_ledger (source_id, key, text_hash)
         select s.id, $1, 'hash' from autoembed.embedding_source s where s.name = 'notes'`,
        [key],
      );
    // Of bytes that no index compresses. As text each takes two.
    await client.query(`alter table notes add token bytea;
      update notes set token = case id when 1 then 'a' else (
        select string_agg(sha256((id || ' ' || n)::bytea), '') from generate_series(1, 60) n) end;
      alter table notes alter token set not null, add unique (token); ${alter}`);
    await watch("body", ["token"]);
    expect(await pending()).toEqual([String.raw`\x61`]);
    const { rows } = await client.query("select key from autoembed.embedding_ledger");
    expect(rows).toEqual(alter === "" ? [{ key: String.raw`\x61` }] : []);
  },
);

test("A source whose key was renamed, or whose table was made again, is watched again though a table that inherits has a row with the same key", async () => {
  const { client, watch, pending } = await prepareNotes();
  const inherit = `drop table if exists more_notes; create table more_notes (primary key (number)) inherits (notes)`;
  await client.query(`${inherit}; insert into notes (id, number, body) values (1, 10, 'a');
    insert into more_notes (id, number, body) values (1, 10, 'b');
    alter table notes rename id to note_id`);
  await watch("body", ["note_id"]);
  expect(await pending()).toEqual(["1"]);
  await watch("body", ["number"]);
  expect(await pending()).toEqual(["10"]);
  await client.query(`create table kept as select * from notes; drop table notes cascade;
    create table notes (like kept, primary key (number)); ${inherit};
    insert into notes select * from only kept limit 1; insert into more_notes select * from only kept limit 1; drop table kept`);
  await watch("body", ["number"]);
  expect(await pending()).toEqual(["10"]);
});

test("A key that is not the primary key and was renamed is still the key by which rows are queued", async () => {
  const { client, watch, pending } = await prepareNotes();
  await watch("body", ["number"]);
  await client.query("alter table notes rename number to note_number");
  await client.query("insert into notes (id, note_number, body) values (1, 10, 'a'), (2, 20, 'b')");
  await client.query("update notes set body = 'c' where id = 2");
  expect(await pending()).toEqual(["10", "20"]);
});

test("A source that is watched again with the same options keeps its pending, failed and claimed rows as they are", async () => {
  const { client, watch } = await prepareNotes();
  await client.query("insert into notes (id, number, body) values (1, 10, 'a'), (2, 20, 'b')");
  await client.query(
    "update autoembed.embedding_queue set failed_at = now(), last_error = 'why' where key = '2'",
  );
  const before = await client.query("select * from autoembed.embedding_queue order by key");
  await watch("body", ["id"]);
  expect((await client.query("select * from autoembed.embedding_queue order by key")).rows).toEqual(
    before.rows,
  );
});

test("A statement that was made for the old key claims no row and drops no row once the source has another key", async () => {
  const { client, watch, pending, db, source } = await prepareNotes();
  await client.query("insert into notes (id, number, body) values (1, 2, 'a'), (2, 1, 'b'), (3, 30, 'c')");
  const { rows } = await client.query<{ id: number }>(
    "insert into autoembed.embedding_listener (host, pid, version) values ('here', 1, '0') returning id",
  );
  const owner = rows[0]?.id ?? 0;
  const stale = await source();
  const range = {
    owner,
    limit: 10,
    head: 0n,
    tail: 1n << 60n,
    lending: lendingOf(stale),
    maxCharacters: 1_000,
  };
  expect(await claim(db, stale, { ...range, limit: 1 })).toHaveLength(1);
  await watch("body", ["number"]);
  expect(await claim(db, stale, range)).toEqual([]);
  const queued = await client.query<{ ticket: string; key: string }>(
    "select ticket, key from autoembed.embedding_queue",
  );
  await dropDeleted(db, stale, queued.rows);
  expect(await pending()).toEqual(["1", "2", "30"]);
  expect(await newestTicket(db, await source())).toBeGreaterThan(0n);
  expect(await claim(db, await source(), range)).toHaveLength(3);
});

test.each([
  ["another key", "select autoembed.watch('notes', 'body', array['number'])"],
  ["another text", "select autoembed.watch('notes', 'upper(body)')"],
  ["another vector", "select autoembed.watch('notes', 'body', vector_column => 'other')"],
  [
    "a new source after unwatch",
    "select autoembed.unwatch('notes'); select autoembed.watch('notes', 'body')",
  ],
])(
  "After a change to %s while listeners work, every pending or changed row gets its vector",
  async (what, again) => {
    const { client, provider, listen } = await prepareNotes();
    provider.latencyMs = 50;
    const listener = await listen({ EMBED_BATCH_SIZE: "4" });
    await listen({ EMBED_BATCH_SIZE: "4" });
    await client.query(
      "insert into notes (id, number, body) select n, 61 - n, 'note ' || n from generate_series(1, 60) n",
    );
    await expect
      .poll(async () => (await client.query("select from notes where embedding is not null")).rowCount)
      .toBeGreaterThan(5);
    await client.query(again);
    await client.query("update notes set body = body || ' changed' where id % 3 = 0");
    await client.query(
      "insert into notes (id, number, body) select n, n, 'note ' || n from generate_series(61, 70) n",
    );
    await listener.whenDrained();
    const isChecked = what === "another key" ? "true" : "id % 3 = 0 or id > 60";
    const text = what === "another text" ? "upper(body)" : "body";
    const vector = what === "another vector" ? "other" : "embedding";
    const { rows } = await client.query<{ text: string; vector: string | null }>(
      `select ${text} as text, ${vector}::text as vector from notes where ${isChecked}`,
    );
    expect(rows.length).toBeGreaterThanOrEqual(30);
    for (const row of rows) {
      expect(row.vector === null ? null : String(Float32Array.from(JSON.parse(row.vector) as number[]))).toBe(
        String(oracleVector(row.text, DIMENSIONS)),
      );
    }
  },
);

async function prepareNotes() {
  const around = await prepare();
  const { client, database } = around;
  await client.query(`drop table if exists notes cascade; create table notes (id int primary key, number int not null unique,
    body text, embedding vector(${DIMENSIONS}), other vector(${DIMENSIONS}))`);
  const watch = async (text: string, key: readonly string[]): Promise<void> => {
    await client.query("select autoembed.watch('notes', $1, key_columns => $2)", [text, key]);
  };
  await watch("body", ["id"]);
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const source = async () => {
    const found = (await loadSources(db)).usable.find(({ name }) => name === "notes");
    if (found === undefined) throw new Error("notes are not watched");
    return found;
  };
  return { ...around, db, watch, source, pending: () => pendingOf(client) };
}

async function pendingOf(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ key: string }>(
    "select key from autoembed.embedding_queue where failed_at is null order by key",
  );
  return rows.map(({ key }) => key);
}
