import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { retryFailed } from "../../src/queue/retry.ts";
import { watch } from "../../src/watch/watch.ts";
import { prepare, type Listening } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000 });

/** Cut after each sentence. */
const SPLIT = { chunk: 24, overlap: 0, unit: "characters" } as const;
const ONE = "The first sentence.";
const TWO = "The second sentence.";
const THREE = "The third sentence.";

const REFUSALS = {
  "swallows an insert": { when: "insert", body: "return null;", text: `${ONE} ${TWO} ${THREE}` },
  "swallows a change": { when: "update", body: "return null;", text: `${ONE} ${THREE}` },
  "keeps the old chunk": { when: "update", body: "return old;", text: `${ONE} ${THREE}` },
  "changes the chunk": {
    when: "update",
    body: "new.passage := upper(new.passage); return new;",
    text: `${ONE} ${THREE}`,
  },
  "swallows a move": { when: "update", body: "return null;", text: `${TWO} ${ONE}` },
  "swallows a delete": { when: "delete", body: "return null;", text: ONE },
  "swallows the last delete": { when: "delete", body: "return null;", text: "" },
} as const;

test.each(Object.entries(REFUSALS))(
  "A trigger on the chunks that %s fails the text with a reason until the trigger is dropped",
  async (_what, { when, body, text }) => {
    const { client, database, environment, listen } = await prepare();
    await client.query("drop table if exists documents, documents_passages cascade");
    await client.query("create table documents (id bigint primary key, body text)");
    const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
    onTestFinished(() => db.destroy());
    const config = { ...readConfig(environment), DATABASE_URL: database.url };
    await watch(db, config, {
      table: "documents",
      text: "body",
      into: "documents_passages",
      chunks: SPLIT,
    });
    const listener = await listen();
    await client.query("insert into documents values (1, $1), (2, $1)", [`${ONE} ${TWO}`]);
    await listener.whenDrained(AbortSignal.timeout(10_000));
    expect(await passages(client, 1)).toEqual([ONE, TWO]);

    await client.query(`create or replace function refuse() returns trigger language plpgsql as $$ begin ${body} end $$;
      create trigger refuse before ${when} on documents_passages for each row
      when (${when === "insert" ? "new" : "old"}.id = 1) execute function refuse()`);
    await client.query("update documents set body = $1", [text]);
    await listener.whenDrained(AbortSignal.timeout(10_000));
    const { rows } = await client.query("select q.key, q.last_error from autoembed.embedding_queue q");
    expect(rows).toEqual([
      { key: "1", last_error: expect.stringMatching(/did not keep them.*trigger/) as string },
    ]);
    const expected = await passages(client, 2);
    expect(expected.join(" ")).toBe(text);

    await client.query("drop trigger refuse on documents_passages");
    expect(await retryFailed(db, { source: "documents" })).toBe(1);
    await listener.whenDrained(AbortSignal.timeout(10_000));
    expect(await passages(client, 1)).toEqual(expected);
    expect((await client.query("select from documents_passages where embedding is null")).rowCount).toBe(0);
  },
);

test("A text whose chunk is too long for an index of the user's fails alone, and so does one that its expression raises for", async () => {
  const { client, database, environment, listen } = await prepare();
  await client.query(`drop table if exists documents, documents_passages cascade;
    create table documents (id bigint primary key, body text, attached oid);
    create or replace function content_of(o oid) returns text language sql stable as
      $$ select convert_from(lo_get(o), 'UTF8') $$`);
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const config = { ...readConfig(environment), DATABASE_URL: database.url };
  await watch(db, config, {
    table: "documents",
    text: "body || coalesce(public.content_of(attached), '')",
    into: "documents_passages",
    chunks: { ...SPLIT, chunk: 8_000 },
  });
  await client.query("create index on documents_passages (passage)");
  const listener = await listen();
  // Postgres compresses what it indexes: hashes stay long.
  await client.query(
    `insert into documents select 1, string_agg(md5(n::text), '') from generate_series(1, 200) n`,
  );
  await client.query("insert into documents values (2, 'b', 'documents'::regclass::oid), (3, $1, null)", [
    ONE,
  ]);
  await listener.whenDrained(AbortSignal.timeout(20_000));
  const { rows } = await client.query("select key, last_error from autoembed.embedding_queue order by key");
  expect(rows).toEqual([
    { key: "1", last_error: expect.stringContaining("54000") as string },
    { key: "2", last_error: expect.stringMatching(/text expression raises SQLSTATE 42704/) as string },
  ]);
  expect(await passages(client, 3)).toEqual([ONE]);
});

async function passages(client: Listening["client"], id: number): Promise<string[]> {
  const { rows } = await client.query<{ passage: string }>(
    "select passage from documents_passages where id = $1 order by chunk",
    [id],
  );
  return rows.map(({ passage }) => passage);
}
