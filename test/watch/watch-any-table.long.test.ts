import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { listSources } from "../../src/status/list-sources.ts";
import { unwatch } from "../../src/watch/unwatch.ts";
import { watch, type WatchOptions } from "../../src/watch/watch.ts";
import { DIMENSIONS, prepare, type Listening } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";

vi.setConfig({ testTimeout: 180_000 });

async function prepareWatching() {
  const listening = await prepare();
  const { database, client, environment } = listening;
  await client.query("drop schema if exists app cascade; create schema app");
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const config = readConfig(environment);
  return {
    ...listening,
    db,
    watch: (options: WatchOptions) => watch(db, config, options),
    unwatch: (name: string) => unwatch(db, name),
  };
}

/** Every row's text and vector are the oracle's pair; halfvec keeps 11 bits of each number. */
async function expectAllRight(
  client: Listening["client"],
  { table, text, vector = "embedding" }: { table: string; text: string; vector?: string },
  rows: number,
) {
  const found = await client.query<{ text: string; vector: string | null }>(
    `select (${text})::text as text, ${vector}::text as vector from ${table}`,
  );
  expect(found.rows).toHaveLength(rows);
  for (const row of found.rows) {
    const actual = JSON.parse(row.vector ?? "[]") as number[];
    const expected = oracleVector(row.text, DIMENSIONS);
    expect(actual).toHaveLength(DIMENSIONS);
    actual.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 2);
    });
  }
}

const TABLES: readonly {
  what: string;
  create: string;
  watch: WatchOptions;
  table: string;
  text: string;
  vector?: string;
  insert: string;
  change: string;
  rows: number;
}[] = [
  {
    what: "an identity key",
    create: "create table app.tickets (id bigint generated always as identity primary key, body text)",
    watch: { table: "app.tickets", text: "body" },
    table: "app.tickets",
    text: "body",
    insert: "insert into app.tickets (body) values ('printer on fire'), ('forgot the password')",
    change: "update app.tickets set body = 'printer no longer on fire' where body like 'printer%'",
    rows: 2,
  },
  {
    what: "quoted and mixed-case names, given as they are spelled, and a uuid key",
    create: `create table app."Support Tickets" ("Ticket Id" uuid primary key default gen_random_uuid(), "Body ""text""" text)`,
    watch: { table: "app.Support Tickets", text: 'Body "text"', vector: "The Vector" },
    table: `app."Support Tickets"`,
    text: `"Body ""text"""`,
    vector: `"The Vector"`,
    insert: `insert into app."Support Tickets" ("Body ""text""") values ('one'), ('two')`,
    change: `update app."Support Tickets" set "Body ""text""" = 'three' where "Body ""text""" = 'one'`,
    rows: 2,
  },
  {
    what: "an expression over two columns, a text key and a name of its own",
    create:
      "create table app.posts (slug text primary key, title text not null, body text, views int default 0)",
    watch: { table: "app.posts", text: "title || ' ' || coalesce(body, '')", name: "blog posts" },
    table: "app.posts",
    text: "title || ' ' || coalesce(body, '')",
    insert: "insert into app.posts values ('a', 'Title', 'Body'), ('b''s', 'Alone', null)",
    change: "update app.posts set body = 'Another body' where slug = 'a'",
    rows: 2,
  },
  {
    what: "a stored generated column",
    create: `create table app.people (id int primary key, first text, last text,
      full_name text generated always as (first || ' ' || last) stored)`,
    watch: { table: "app.people", text: "full_name" },
    table: "app.people",
    text: "full_name",
    insert: "insert into app.people values (1, 'Ada', 'Lovelace'), (2, 'Alan', 'Turing')",
    change: "update app.people set last = 'Byron' where id = 1",
    rows: 2,
  },
  ...["int[]", "app.path", "app.code", "char(5)", "app.stage", "int4range"].map((type) => ({
    what: `a key of the type ${type}`,
    create: `create domain app.path as int[]; create domain app.code as text check (value <> '');
      create type app.stage as enum ('[1,2)', '[3,4)');
      create table app.odd (id ${type} primary key, body text)`,
    watch: { table: "app.odd", text: "body" },
    table: "app.odd",
    text: "body",
    insert: /\[|path/.test(type)
      ? "insert into app.odd values ('{1,2}', 'first'), ('{3}', 'second')"
      : "insert into app.odd values ('[1,2)', 'first'), ('[3,4)', 'second')",
    change: "update app.odd set body = 'changed' where body = 'first'",
    rows: 2,
  })),
  {
    what: "a composite key, and halfvec",
    create: "create table app.notes (tenant text, number int, note text, primary key (tenant, number))",
    watch: { table: "app.notes", text: "note", type: "halfvec" },
    table: "app.notes",
    text: "note",
    insert: `insert into app.notes values ('a "b", c', 1, 'first'), ('a', 2, 'second')`,
    change: "update app.notes set note = 'changed', number = 3 where number = 2",
    rows: 2,
  },
  {
    what: "partitions, of which one comes later",
    create: `create table app.events (id int, at date, what text, primary key (id, at)) partition by range (at);
      create table app.events_1 partition of app.events for values from ('2025-01-01') to ('2025-02-01')`,
    watch: { table: "app.events", text: "what" },
    table: "app.events",
    text: "what",
    insert: `create table app.events_2 partition of app.events for values from ('2025-02-01') to ('2025-03-01');
      insert into app.events values (1, '2025-01-05', 'in January'), (2, '2025-02-05', 'in February');
      insert into app.events_2 values (3, '2025-02-06', 'straight into its partition')`,
    change: "update app.events set at = '2025-02-07', what = 'moved' where id = 1",
    rows: 3,
  },
];

test.each(TABLES)("Vectors follow a table with $what, and stay after unwatch", async (given) => {
  const { client, listen, watch, unwatch } = await prepareWatching();
  await client.query(given.create);
  const watched = await watch(given.watch);
  expect(watched.columnAdded).toBe(true);
  const listener = await listen();

  await client.query(given.insert);
  await listener.whenDrained();
  await expectAllRight(client, given, given.rows);
  await client.query(given.change);
  await listener.whenDrained();
  await expectAllRight(client, given, given.rows);

  await unwatch(watched.name);
  await expectAllRight(client, given, given.rows);
  const { rows } = await client.query("select tgname from pg_trigger where tgrelid = $1::regclass", [
    given.table,
  ]);
  expect(rows).toEqual([]);
});

test("An update of a column outside the text expression queues nothing", async () => {
  const { client, watch } = await prepareWatching();
  await client.query("create table app.posts (id int primary key, title text, body text, views int)");
  await watch({ table: "app.posts", text: "title || body" });
  await client.query("insert into app.posts values (1, 'a', 'b', 0); truncate autoembed.embedding_queue");
  await client.query("update app.posts set views = views + 1");
  const { rows } = await client.query("select key from autoembed.embedding_queue");
  expect(rows).toEqual([]);
});

test.each([
  [
    "a view",
    "create view app.v as select 1 as id, 'x' as body",
    { table: "app.v", text: "body" },
    /a view.*table behind it/s,
  ],
  [
    "a foreign table",
    `create foreign data wrapper nothing; create server nowhere foreign data wrapper nothing;
     create foreign table app.f (id int, body text) server nowhere`,
    { table: "app.f", text: "body" },
    /foreign table/,
  ],
  [
    "a table without a key",
    "create table app.t (body text)",
    { table: "app.t", text: "body" },
    /no primary key.*unique index/s,
  ],
  [
    "a key that is not unique",
    "create table app.t (id int not null, body text)",
    { table: "app.t", text: "body", key: ["id"] },
    /not unique/,
  ],
  [
    "a table that does not exist",
    "create table app.tickets (id int primary key, body text)",
    { table: "app.tickest", text: "body" },
    /Did you mean app\.tickets/,
  ],
  [
    "a table that is named without its long schema",
    "create schema if not exists clinical_documents_of_the_ward; create table if not exists clinical_documents_of_the_ward.letters (id int primary key, body text); create table app.lettres (id int)",
    { table: "letters", text: "body" },
    /Did you mean clinical_documents_of_the_ward\.letters\?/,
  ],
  [
    "a table that is called like none but our own",
    "create table app.t (id int primary key, body text)",
    { table: "autoembd.migration", text: "body" },
    /^There is no table autoembd\.migration\. Write schema\.table/,
  ],
  [
    "a text column that does not exist",
    "create table app.t (id int primary key, body text)",
    { table: "app.t", text: "boddy" },
    /neither a column of app\.t nor an expression/,
  ],
  [
    "a vector column of another length",
    `create table app.t (id int primary key, body text, embedding vector(3))`,
    { table: "app.t", text: "body", dimensions: 4 },
    /already exists, as vector\(3\)/,
  ],
  [
    "a vector column that another source fills",
    "create table app.t (id int primary key, body text)",
    { table: "patient_embeddings", text: "context_text", name: "twice" },
    /embedding of .*patient_embeddings receives the vectors of the source patient_embeddings already/,
  ],
  [
    "a vector column of another type",
    "create table app.t (id int primary key, body text, embedding real[])",
    { table: "app.t", text: "body" },
    /neither vector nor halfvec/,
  ],
  [
    "a vector column that is generated",
    `create table app.t (id int primary key, body text,
      embedding vector(8) generated always as (array_fill(length(body)::real, array[8])::vector(8)) stored)`,
    { table: "app.t", text: "body" },
    /column embedding of app\.t is generated: no vector can be written to it.*Name another column/s,
  ],
  [
    "a vector column that is NOT NULL",
    "create table app.t (id int primary key, body text, embedding vector(8) not null)",
    { table: "app.t", text: "body" },
    /column embedding of app\.t is NOT NULL.*alter table app\.t alter column embedding drop not null;/s,
  ],
])(
  "Watching is refused for %s with what to do, and the table stays as it was",
  async (_what, create, options, says) => {
    const { client, db, watch } = await prepareWatching();
    onTestFinished(async () => {
      await client.query("drop foreign data wrapper if exists nothing cascade");
    });
    await client.query(create);
    const before = await client.query(
      "select attrelid, attname from pg_attribute where attrelid >= 16384 order by 1, 2",
    );
    const refusal = await watch(options).then(
      () => "was watched",
      (error: unknown) => `${(error as Error).message} ${(error as { remedy?: string }).remedy ?? ""}`,
    );
    expect(refusal).toMatch(says);
    const after = await client.query(
      "select attrelid, attname from pg_attribute where attrelid >= 16384 order by 1, 2",
    );
    expect(after.rows).toEqual(before.rows);
    expect((await listSources(db)).map(({ name }) => name)).toEqual(["patient_embeddings"]);
  },
);

test("Watching is refused for a temporary table, which only its own session sees", async () => {
  const { client, watch } = await prepareWatching();
  await client.query(
    `create temporary table drafts (id int primary key, body text, embedding vector(${DIMENSIONS}))`,
  );
  onTestFinished(async () => {
    await client.query("drop table drafts");
  });
  await expect(client.query("select autoembed.watch('drafts', 'body')")).rejects.toThrow(
    /drafts is a temporary table/,
  );
  const { rows } = await client.query<{ engine: string }>("select version() as engine");
  const isShared = /emscripten/i.test(rows[0]?.engine ?? "");
  await expect(watch({ table: "drafts", text: "body" })).rejects.toThrow(
    isShared ? /drafts is a temporary table/ : /There is no table drafts/,
  );
});

test("A source that is watched again on another table leaves no trigger on the first table", async () => {
  const { client, watch } = await prepareWatching();
  await client.query(
    "create table app.a (id int primary key, body text); create table app.b (id int primary key, body text)",
  );
  await watch({ table: "app.a", text: "body", name: "texts" });
  await watch({ table: "app.b", text: "body", name: "texts" });
  const { rows } = await client.query("select tgname from pg_trigger where tgrelid = 'app.a'::regclass");
  expect(rows).toEqual([]);
});

test.each([
  ["body || now()", /is another each time it is computed: it calls now\(\)/],
  ["body || current_date", /a function of the time or the session/],
  ["body || random()", /it calls random\(\)/],
  ["body || age(born)", /it calls age\(/],
  ["app.unmarked(body)", /alter function app\.unmarked\(text\) stable/],
  ["(select max(other.body) from app.t other)", /not made of one row alone/],
  ["max(body)", /not made of one row alone/],
  ["regexp_split_to_table(body, ',')", /not made of one row alone/],
])("The text expression %s is refused with what to do, from SQL too", async (text, says) => {
  const { client, db, watch } = await prepareWatching();
  await client.query(`create table app.t (id int primary key, body text, born timestamp);
    create function app.unmarked(text) returns text language sql as 'select $1'`);
  await expect(
    watch({ table: "app.t", text }).catch(
      (error: unknown) => `${(error as Error).message} ${(error as { remedy?: string }).remedy ?? ""}`,
    ),
  ).resolves.toMatch(says);
  await expect(client.query("select autoembed.watch('app.t', $1)", [text])).rejects.toThrow(pg.DatabaseError);
  expect((await listSources(db)).map(({ name }) => name)).toEqual(["patient_embeddings"]);
});

test.each([
  "concat_ws(' ', title, body)",
  "coalesce(title, '') || ' ' || body",
  "format('%s: %s', title, body)",
  "to_char(born, 'YYYY') || body",
  "notes ->> 'summary'",
  "array_to_string(tags, ', ')",
  "born::text || cost",
  "case when cost > 10 then upper(title) else body end",
  "app.marked(body)",
])("The text expression %s is accepted", async (text) => {
  const { client, watch } = await prepareWatching();
  await client.query(`create table app.t (id int primary key, title text, body text, born timestamptz, notes jsonb, tags text[], cost numeric);
    create function app.marked(text) returns text language sql stable as 'select $1'`);
  await expect(watch({ table: "app.t", text })).resolves.toBeDefined();
});
