import type pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";

vi.setConfig({ testTimeout: 120_000 });

const VECTOR = `'[${Array.from({ length: DIMENSIONS }, () => 1).join(",")}]'`;

async function prepareDocuments(create: string, text: string, options = "") {
  const listening = await prepare();
  const { client } = listening;
  await client.query(`drop schema if exists app cascade; create schema app; ${create}`);
  await client.query(`select autoembed.watch('app.documents', $1, source_name => 'documents'${options})`, [
    text,
  ]);
  return { ...listening, queued: () => queued(client) };
}

async function queued(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ key: string }>(
    "select key from autoembed.embedding_queue order by key",
  );
  return rows.map(({ key }) => key);
}

const COLUMNS = `title text, body text, views int default 0`;
const PLAIN = `create table app.documents (id int primary key, ${COLUMNS}, embedding vector(${DIMENSIONS}))`;
const APART = `create table app.documents (id int primary key, ${COLUMNS});
  create function app.line(d app.documents) returns text language sql stable as $$ select d.title || d.body $$;
  create table app.vectors (id int primary key references app.documents on delete cascade on update cascade,
    embedding vector(${DIMENSIONS}))`;
const INTO = ", vector_table => 'app.vectors'";
const PARTITIONED = `create table app.documents (id int primary key, ${COLUMNS}, embedding vector(${DIMENSIONS}))
    partition by range (id);
  create table app.first (embedding vector(${DIMENSIONS}), views int default 0, body text, title text, id int not null);
  alter table app.documents attach partition app.first default`;

test.each([
  ["its columns by the table's name", PLAIN, "documents.title || ' ' || \"documents\" . body", ""],
  [
    "one of them, next to a column of the table's name",
    `${PLAIN}; alter table app.documents add documents text`,
    "coalesce(documents, '') || documents.title || body",
    "",
  ],
  ["the whole row as JSON", APART, "to_jsonb(documents) - 'views'", INTO],
  ["the whole row in a function", APART, "app.line(documents)", INTO],
  [
    "its columns by the name of a partitioned table",
    PARTITIONED,
    "documents.title || ' ' || documents.body",
    "",
  ],
])(
  "A text with %s is computed by the triggers: an update of another column queues nothing, and a change does",
  async (_, create, text, options) => {
    const { client, listen, queued } = await prepareDocuments(create, text, options);
    await client.query(
      "insert into app.documents (id, title, body) values (1, 'One', 'first'), (2, 'Two', 'second')",
    );
    await client.query(
      "insert into app.documents (id, title, body) select n, 'Title', 'body' from generate_series(3, 100) n",
    );
    expect(await queued()).toHaveLength(100);
    const listener = await listen();
    await listener.whenDrained();
    expect(await queued()).toEqual([]);
    await listener.stop();

    await client.query("update app.documents set views = views + 1");
    expect(await queued()).toEqual([]);
    await client.query("update app.documents set title = 'Another' where id in (1, 50)");
    expect(await queued()).toEqual(["1", "50"]);
    if (options !== "") return;
    await client.query(
      `insert into app.documents (id, title, body, embedding) values (101, 'Own', 'vector', ${VECTOR})`,
    );
    expect(await queued()).toEqual(["1", "50"]);
  },
);

test.each(["app.documents.title", "title || ctid::text", "title || documents.xmin::text"])(
  "The text %s, which a row has only in its table, is refused",
  async (text) => {
    const { client } = await prepareDocuments(PLAIN, "title");
    await expect(client.query("select autoembed.watch('app.documents', $1)", [text])).rejects.toThrow(
      "is neither a column of app.documents nor an expression",
    );
  },
);

test("When its table is renamed, a text that names it is reported, its changes are queued, and watching it again repairs it", async () => {
  const { client, database, queued } = await prepareDocuments(PLAIN, "documents.title");
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const problems = async () => (await loadSources(db)).broken.map(({ problem }) => problem);
  await client.query("alter table app.documents rename to papers");
  expect(await problems()).toEqual([
    expect.stringMatching(/documents\.title cannot be read from app\.papers any more/),
  ]);
  await client.query("insert into app.papers (id, title) values (1, 'One')");
  expect(await queued()).toEqual(["1"]);
  await client.query("select autoembed.watch('app.papers', 'papers.title', source_name => 'documents')");
  expect(await problems()).toEqual([]);
  await client.query(`insert into app.papers (id, title, embedding) values (2, 'Own', ${VECTOR})`);
  await client.query("update app.papers set views = 1");
  expect(await queued()).toEqual(["1"]);
});
