import pg from "pg";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";

vi.setConfig({ testTimeout: 180_000 });

/** A watched table with two rows, and a session that has fired each of its triggers. */
async function prepareArticles(text = "body", functions = "") {
  const around = await prepare();
  const { client, database } = around;
  await client.query(`drop schema if exists app cascade; create schema app;
    create table app.articles (id int primary key, title text, body varchar(100), other int, embedding vector(${DIMENSIONS}));
    ${functions};
    select autoembed.watch('app.articles', '${text}', source_name => 'articles');
    insert into app.articles values (1, 'one', 'first', 0), (2, 'two', 'second', 0);
    update app.articles set other = 1; update app.articles set body = body || '!'; update app.articles set id = id + 10;
    delete from app.articles where id = 0`);
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  /** Which rows a statement queues. */
  const queuedBy = async (statement: string, session: pg.Client = client): Promise<string[]> => {
    await client.query("truncate autoembed.embedding_queue");
    await session.query(statement);
    const { rows } = await client.query<{ key: string }>(
      "select key from autoembed.embedding_queue order by key",
    );
    return rows.map(({ key }) => key);
  };
  const problem = async (): Promise<string | undefined> =>
    (await loadSources(db)).broken.find(({ name }) => name === "articles")?.problem;
  return { ...around, queuedBy, problem };
}

describe("A user changes a watched column as if it were not watched", () => {
  test.each([
    ["the text", "body", "alter table app.articles alter body type text"],
    ["the key", "body", "alter table app.articles alter id type bigint"],
    ["the key of an expression", "title || body", "alter table app.articles alter id type bigint"],
    ["a column of an expression", "title || body", "alter table app.articles alter body type text"],
    ["a text that becomes json", "body", "alter table app.articles alter body type json using to_json(body)"],
  ])(
    "The type of %s is changed, and updates are queued as before, in a session that was open already too",
    async (_what, text, alter) => {
      const { client, queuedBy, problem } = await prepareArticles(text);
      await client.query(alter);
      expect(await queuedBy("update app.articles set other = 2")).toEqual([]);
      expect(await queuedBy(`update app.articles set body = '"third"' where id = 11`)).toEqual(["11"]);
      expect(await queuedBy("update app.articles set id = 21 where id = 11")).toEqual(["11", "21"]);
      expect(await queuedBy("insert into app.articles values (31, 'new', '\"new\"')")).toEqual(["31"]);
      expect(await queuedBy("delete from app.articles where id = 31")).toEqual([]);
      expect(await problem()).toBeUndefined();
    },
  );

  test.each([
    ["body", "other = 2", []],
    ["body", "content = 'third'", ["11", "12"]],
    ["title || body", "other = other", []],
    ["title || body", "content = 'third'", ["11", "12"]],
  ])(
    "A column of the text %s is renamed, and the update %s queues the rows %j",
    async (text, update, keys) => {
      const { client, queuedBy, problem } = await prepareArticles(text);
      await client.query("alter table app.articles rename body to content");
      expect(await queuedBy(`update app.articles set ${update}`)).toEqual(keys);
      expect(await problem()).toContain("a column was renamed or dropped. Watch it again under this name");
    },
  );

  test("The key is renamed, and an update queues a row where its text or its key has changed", async () => {
    const { client, queuedBy, problem } = await prepareArticles();
    await client.query("alter table app.articles rename id to number");
    expect(await queuedBy("update app.articles set other = 2")).toEqual([]);
    expect(await queuedBy("update app.articles set body = 'third' where number = 11")).toEqual(["11"]);
    expect(await queuedBy("update app.articles set number = 21 where number = 11")).toEqual(["11", "21"]);
    expect(await problem()).toContain("watch it again with the new name");
  });

  test.each([
    ["body", "body"],
    ["title || body", "body"],
  ])(
    "A column of the text %s is dropped, writes go on and are queued, and the source says what to do",
    async (text, column) => {
      const { client, queuedBy, problem } = await prepareArticles(text);
      await client.query(`alter table app.articles drop column ${column}`);
      expect(await queuedBy("update app.articles set other = 2 where id = 11")).toEqual(["11"]);
      expect(await queuedBy("insert into app.articles (id, title) values (31, 'new')")).toEqual(["31"]);
      expect(await queuedBy("delete from app.articles where id = 31")).toEqual([]);
      expect(await problem()).toBe(
        `the text ${text} cannot be read from app.articles any more: a column was renamed or dropped. Watch it again under this name (changes are still queued)`,
      );
    },
  );

  test.each([
    [
      "alter function app.clean(text) rename to cleaned",
      "function app.clean(character varying) does not exist",
    ],
    ["drop function app.clean(text)", "function app.clean(character varying) does not exist"],
    ["alter schema words rename to terms", 'schema "words" does not exist'],
    ["drop domain app.plain cascade", 'type "app.plain" does not exist'],
  ])("After %s, which the text needs, writes are queued, and the source names it", async (change, reason) => {
    const { client, queuedBy, problem } = await prepareArticles(
      "words.tidy(app.clean(body)::app.plain)",
      `create function app.clean(text) returns text language sql immutable as 'select trim($1)';
       create domain app.plain as text;
       drop schema if exists words, terms cascade;
       create schema words;
       create function words.tidy(text) returns text language sql immutable as 'select $1'`,
    );
    await client.query(change);
    expect(await queuedBy("update app.articles set body = 'third' where id = 11")).toEqual(["11"]);
    expect(await problem()).toBe(
      `the text words.tidy(app.clean(body)::app.plain) cannot be read from app.articles any more: ${reason}. Undo that, or watch it again under this name, with a text that can be read (changes are still queued)`,
    );
  });

  test("The key is dropped, writes go on, and the source says what to do", async () => {
    const { client, queuedBy, problem } = await prepareArticles();
    await client.query("alter table app.articles drop column id");
    expect(await queuedBy("update app.articles set body = 'third'")).toEqual([]);
    expect(await queuedBy("insert into app.articles (body) values ('new')")).toEqual([]);
    await client.query("delete from app.articles");
    expect(await problem()).toContain("app.articles has no column id any more");
  });

  test.each([
    ["The text is dropped and made again under its name", "drop column body, add body text"],
    ["The types of text and key are changed", "alter body type text, alter id type bigint"],
  ])("%s while a listener runs, and changed rows get their vectors", async (_what, alter) => {
    const { client, listen, queuedBy, problem } = await prepareArticles();
    const listener = await listen();
    await listener.whenDrained();
    await client.query(`alter table app.articles ${alter}`);
    expect(await queuedBy("update app.articles set other = 2")).toEqual([]);
    await client.query("update app.articles set body = 'again ' || id");
    await listener.whenDrained();
    const { rows } = await client.query<{ body: string; vector: string }>(
      "select body, embedding::text as vector from app.articles order by id",
    );
    expect(rows.map(({ body }) => body)).toEqual(["again 11", "again 12"]);
    for (const { body, vector } of rows)
      expect(Float32Array.from(JSON.parse(vector) as number[])).toEqual(oracleVector(body, DIMENSIONS));
    expect(await problem()).toBeUndefined();
  });

  test("A text that raises for a row is queued by an update that changes the row, with both keys where that has changed, and by no other", async () => {
    const { client, queuedBy } = await prepareArticles("(100 / other)::text");
    await client.query("update app.articles set other = 0 where id = 12");
    expect(await queuedBy("update app.articles set title = 'raises' where id = 12")).toEqual(["12"]);
    expect(await queuedBy("update app.articles set title = title where id = 12")).toEqual([]);
    expect(await queuedBy("update app.articles set id = 22 where id = 12")).toEqual(["12", "22"]);
  });
});

describeNative("A user changes a watched column while others are connected", "needs several sessions", () => {
  test("Sessions that wrote before a column got another type go on as before, in all partitions too", async () => {
    const { client, database, queuedBy } = await prepareArticles();
    await client.query(`create table app.events (id int, region text, body varchar(100), other int, embedding vector(${DIMENSIONS}),
        primary key (region, id)) partition by list (region);
      create table app.north (body varchar(100), id int not null, region text not null, other int, embedding vector(${DIMENSIONS}));
      alter table app.events attach partition app.north for values in ('north');
      select autoembed.watch('app.events', 'body')`);
    const other = new pg.Client(database.url);
    await other.connect();
    onTestFinished(() => other.end());
    await other.query(`insert into app.events values (1, 'north', 'first'); update app.events set other = 1;
      update app.events set body = 'second'; update app.articles set other = 2, body = 'second'`);
    await client.query(`alter table app.articles alter id type bigint, alter body type text;
      alter table app.events alter id type bigint, alter body type text`);
    expect(
      await queuedBy("update app.articles set other = 3; update app.events set other = 3", other),
    ).toEqual([]);
    expect(await queuedBy("update app.articles set body = 'third' where id = 11", other)).toEqual(["11"]);
    expect(await queuedBy("update app.events set body = 'third'", other)).toEqual(['["north", "1"]']);
    expect(await queuedBy("insert into app.events values (2, 'north', 'new')", other)).toEqual([
      '["north", "2"]',
    ]);
    await client.query("alter table app.events drop column body");
    expect(await queuedBy("update app.events set other = 4 where id = 1", other)).toEqual(['["north", "1"]']);
  });
});
