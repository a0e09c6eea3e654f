import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { showProgress } from "../../src/backfill/progress.ts";
import { dryRun } from "../../src/backfill/dry-run.ts";
import { runBackfill } from "../../src/backfill/run-backfill.ts";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { examineSource } from "../../src/doctor/examine-source.ts";
import { buildIndex } from "../../src/search/build-index.ts";
import { hybrid } from "../../src/search/hybrid.ts";
import { clearVector } from "../../src/queue/clear-vector.ts";
import { changeModel, type ModelChangeOptions } from "../../src/model-change/change-model.ts";
import { readModelChange } from "../../src/model-change/model-change-state.ts";
import { dropModel } from "../../src/model-change/drop-model.ts";
import { rollBack } from "../../src/model-change/switch.ts";
import { nearest } from "../../src/search/nearest.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { collectStatus } from "../../src/status/collect-status.ts";
import { verifySource } from "../../src/verify/verify-source.ts";
import { listSources } from "../../src/watch/list-sources.ts";
import { unwatch } from "../../src/watch/unwatch.ts";
import { watch, type WatchOptions } from "../../src/watch/watch.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";
import { oracleVector, startProviderServer } from "../support/provider-server.ts";

vi.setConfig({ testTimeout: 90_000 });

const WAIT = { timeout: 30_000, interval: 50 };
const DOCUMENTS = "create table app.documents (id bigint primary key, title text, body text)";
const INTO: WatchOptions = {
  table: "app.documents",
  text: "body",
  into: "documents_embeddings",
  name: "docs",
};

async function prepareApart(create = DOCUMENTS, options: WatchOptions = INTO) {
  const listening = await prepare();
  const { client, database, environment } = listening;
  await client.query(`drop schema if exists app cascade; create schema app; ${create}`);
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const config = { ...readConfig(environment), DATABASE_URL: database.url };
  const watched = await watch(db, config, options);
  return {
    ...listening,
    db,
    config,
    watched,
    watchAgain: (changed: Partial<WatchOptions> = {}) => watch(db, config, { ...options, ...changed }),
    source: async () => {
      const [source] = await chooseSources(db, watched.name);
      if (source === undefined) throw new Error("no source");
      return source;
    },
    backfill: async () =>
      await runBackfill(config, await chooseSources(db, watched.name), {
        all: false,
        progress: showProgress("none"),
        signal: new AbortController().signal,
      }),
    troubleOf: async () =>
      (await collectStatus(db)).sources.find(({ name }) => name === watched.name)?.trouble ?? "none",
  };
}

/** Keys whose vector beside is not the oracle's for their text, and keys of vectors that belong to no text. */
async function wrong(client: pg.Client, key = "id", watched = "documents"): Promise<string[]> {
  const { rows } = await client.query<{ key: string; body: string | null; embedding: string | null }>(
    `select coalesce(t.${key}::text, 'orphan ' || v.${key}::text) as key, t.body, v.embedding, v.${key} is not null as kept
    from app.${watched} t full join app.${watched}_embeddings v using (${key}) order by 1`,
  );
  return rows.flatMap(({ key, body, embedding }) => {
    const expected = body === null || body.trim() === "" ? null : oracleVector(body, DIMENSIONS);
    const actual = embedding === null ? null : Float32Array.from(JSON.parse(embedding) as number[]);
    return String(expected) === String(actual) ? [] : [key];
  });
}

async function keysBeside(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>("select id from app.documents_embeddings order by id");
  return rows.map(({ id }) => id);
}

test("Vectors go to a table that watch makes, follow every change, and a view joins both tables", async () => {
  const { client, watched, db, listen } = await prepareApart();
  expect(watched).toMatchObject({
    into: "app.documents_embeddings",
    view: "app.documents_with_embedding",
    columnAdded: true,
  });
  const columns = await client.query<{ attname: string }>(
    "select attname from pg_attribute where attrelid = 'app.documents'::regclass and attnum > 0",
  );
  expect(columns.rows.map(({ attname }) => attname)).toEqual(["id", "title", "body"]);
  expect((await listSources(db)).find(({ name }) => name === "docs")?.vector).toBe(
    `app.documents_embeddings.embedding vector(${DIMENSIONS})`,
  );

  const listener = await listen();
  await client.query(`insert into app.documents values (1, 'a', 'one'), (2, 'b', 'two'), (3, 'c', null), (4, 'd', '  '),
    (5, 'e', 'five'), (6, 'f', 'six'), (7, 'g', 'two')`);
  await listener.settled();
  expect(await wrong(client)).toEqual([]);
  expect(await keysBeside(client)).toEqual(["1", "2", "5", "6", "7"]);

  await client.query("update app.documents set body = 'one, changed' where id = 1");
  await client.query("update app.documents set body = '' where id = 2");
  await client.query("update app.documents set body = 'no longer blank' where id = 4");
  await client.query("delete from app.documents where id = 5");
  await client.query("update app.documents set id = 60 where id = 6");
  await client.query("update app.documents set id = 70, body = 'another key and text' where id = 7");
  await client.query(
    "begin; update app.documents set body = 'never was'; delete from app.documents; rollback",
  );
  await listener.settled();
  expect(await wrong(client)).toEqual([]);
  expect(await keysBeside(client)).toEqual(["1", "4", "60", "70"]);

  const { rows } = await client.query<{ id: string; title: string; embedded: boolean }>(
    "select id, title, embedding is not null as embedded from app.documents_with_embedding order by id limit 2",
  );
  expect(rows).toEqual([
    { id: "1", title: "a", embedded: true },
    { id: "2", title: "b", embedded: false },
  ]);
  await client.query("truncate app.documents cascade");
  expect(await keysBeside(client)).toEqual([]);
  expect((await client.query("select from autoembed.embedding_queue")).rowCount).toBe(0);
});

test.each([
  {
    what: "hostile names and a composite key",
    create: `create table app."Sel""ect; --" ("Ten ant" text, "where" uuid default gen_random_uuid(), "body" text,
      primary key ("Ten ant", "where"))`,
    watch: { table: `app."Sel""ect; --"`, text: "body", into: `"The ""vectors"" of 'them'"`, vector: `v"1` },
    insert: `insert into app."Sel""ect; --" ("Ten ant", body) values ('a, "b"', 'one'), ('{}', 'two')`,
    beside: `app."The ""vectors"" of 'them'"`,
    column: `"v""1"`,
    join: `t."Ten ant" = v."Ten ant" and t."where" = v."where"`,
    table: `app."Sel""ect; --"`,
  },
  {
    what: "a partitioned table, and halfvec",
    create: `create table app.events (id int, at date, body text, primary key (id, at)) partition by range (at);
      create table app.events_1 partition of app.events for values from ('2025-01-01') to ('2025-02-01');
      create table app.events_2 partition of app.events for values from ('2025-02-01') to ('2025-03-01')`,
    watch: { table: "app.events", text: "body", into: "events_vectors", type: "halfvec" as const },
    insert: `insert into app.events values (1, '2025-01-05', 'in January'), (2, '2025-02-05', 'in February');
      insert into app.events_2 values (3, '2025-02-06', 'straight into its partition');
      update app.events set at = '2025-02-07' where id = 1`,
    beside: "app.events_vectors",
    column: "embedding",
    join: "t.id = v.id and t.at = v.at",
    table: "app.events",
  },
  {
    what: "a unique index in place of a primary key, and another schema",
    create: `create schema if not exists elsewhere; create table app.codes (code varchar(20) not null, body text); create unique index on app.codes (code)`,
    watch: { table: "app.codes", text: "upper(body)", key: ["code"], into: "elsewhere.codes_vectors" },
    insert: "insert into app.codes values ('x', 'one'), ('y', 'two')",
    beside: "elsewhere.codes_vectors",
    column: "embedding",
    join: "t.code = v.code",
    table: "app.codes",
  },
])("Vectors in their own table are right for $what", async (given) => {
  const { client, listen } = await prepareApart(given.create, given.watch);
  onTestFinished(async () => {
    await client.query("drop schema if exists elsewhere cascade");
  });
  const listener = await listen();
  await client.query(given.insert);
  await listener.settled();
  const found = await client.query<{ text: string; vector: string | null }>(
    `select (${given.watch.text})::text as text, v.${given.column}::text as vector from ${given.table} t left join ${given.beside} v on ${given.join}`,
  );
  expect(found.rows.length).toBeGreaterThan(1);
  for (const { text, vector } of found.rows) {
    const expected = oracleVector(text, DIMENSIONS);
    (JSON.parse(vector ?? "[0]") as number[]).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 2);
    });
  }
  const beside = await client.query(`select from ${given.beside}`);
  expect(beside.rowCount).toBe(found.rowCount);
});

test("Searches find vectors in their own table, by its index, with conditions on the watched table", async () => {
  const { client, db, listen, source, config } = await prepareApart();
  const listener = await listen();
  await client.query(
    "insert into app.documents select n, case when n % 2 = 0 then 'even' else 'odd' end, 'text ' || n from generate_series(1, 300) n",
  );
  await listener.settled();
  const index = await buildIndex(db, await source(), {
    database: config,
    now: false,
    onProgress: () => undefined,
    signal: new AbortController().signal,
  });
  expect(index).toMatchObject({ name: "app.documents_embeddings_embedding_idx", built: true });
  const query = oracleVector("text 40", DIMENSIONS);
  const options = { limit: 3, withText: true };
  expect((await nearest(db, await source(), query, options))[0]).toMatchObject({
    key: "40",
    text: "text 40",
  });
  const odd = await nearest(db, await source(), query, { ...options, where: "title = 'odd'" });
  expect(odd).toHaveLength(3);
  expect(odd.every(({ key }) => Number(key) % 2 === 1)).toBe(true);
  const words = await hybrid(db, await source(), query, { ...options, query: "40", language: "simple" });
  expect(words[0]).toMatchObject({ key: "40" });
  const inSql = await client.query<{ key: string }>("select key from autoembed.search('docs', $1, 2)", [
    `[${query.join(",")}]`,
  ]);
  expect(inSql.rows[0]).toEqual({ key: "40" });

  // So few rows are searched faster without: asked for a plan with no sort, it has to be there.
  await client.query("analyze app.documents, app.documents_embeddings");
  await client.query("begin; set local enable_sort = off; set local enable_seqscan = off");
  const plan = await client.query<{ "QUERY PLAN": string }>(
    `explain select t.* from (select w.k0, w.content, v.vector from (select id as k0, body as content from app.documents) w
      left join (select id as k0, embedding as vector from app.documents_embeddings) v on v.k0 = w.k0) t
    where t.vector is not null order by t.vector <=> '[${query.join(",")}]' limit 3`,
  );
  await client.query("rollback");
  expect(plan.rows.map((row) => row["QUERY PLAN"]).join("\n")).toContain(
    "documents_embeddings_embedding_idx",
  );
});

test("A backfill finds rows with no vector, with another text's vector and with no text, and dry run and status count them", async () => {
  const { client, db, config, source, backfill } = await prepareApart();
  await client.query("insert into app.documents values (1, 'a', 'one'), (2, 'b', 'two'), (3, 'c', 'three')");
  await client.query("truncate autoembed.embedding_queue");
  const signal = new AbortController().signal;
  expect(await dryRun(db, config, await source(), { limit: 10, all: false, signal })).toMatchObject({
    rows: 3,
  });
  expect(await backfill()).toMatchObject({ done: 3, pending: 0 });
  expect(await wrong(client)).toEqual([]);

  await client.query("alter table app.documents disable trigger user");
  await client.query("update app.documents set body = 'two, unseen' where id = 2");
  await client.query("update app.documents set body = null where id = 3");
  await client.query("insert into app.documents values (4, 'd', 'four')");
  await client.query("alter table app.documents enable trigger user");
  expect(await wrong(client)).toEqual(["2", "3", "4"]);
  expect(await backfill()).toMatchObject({ done: 3, pending: 0 });
  expect(await wrong(client)).toEqual([]);
  const status = (await collectStatus(db)).sources.find(({ name }) => name === "docs");
  expect(status).toMatchObject({ rows: 3, current: 3, pending: 0, trouble: null });
});

test("Verify finds a wrong vector in a table of vectors, and doctor a foreign key that is gone", async () => {
  const { client, db, config, source, listen } = await prepareApart();
  const listener = await listen();
  await client.query("insert into app.documents select n, 't', 'text ' || n from generate_series(1, 20) n");
  await listener.settled();
  const options = { sample: 100, minCosine: 0.99, minOverlap: 0, signal: new AbortController().signal };
  expect(await verifySource(db, config, await source(), options)).toMatchObject({ ok: true, sampled: 20 });
  await client.query(
    "update app.documents_embeddings set embedding = (select embedding from app.documents_embeddings where id = 8) where id = 7",
  );
  const report = await verifySource(db, config, await source(), options);
  expect(report.drifted.map(({ key }) => key)).toEqual(["7"]);

  const findings = async () =>
    (await examineSource(db, config, await source())).map(({ what }) => what).join("\n");
  expect(await findings()).toMatch(/with a foreign key to its rows/);
  await client.query("alter table app.documents_embeddings drop constraint documents_embeddings_id_fkey");
  expect(await findings()).toMatch(/lost its foreign key/);
});

test.each([
  [
    "the key is missing",
    "create table app.documents_embeddings (embedding vector(8))",
    /no key column id bigint/,
  ],
  [
    "the key has another type",
    "create table app.documents_embeddings (id text primary key, embedding vector(8))",
    /no key column id bigint/,
  ],
  [
    "the key is not unique",
    "create table app.documents_embeddings (id bigint references app.documents on delete cascade on update cascade, embedding vector(8))",
    /not unique.*add primary key \(id\)/s,
  ],
  [
    "it has no foreign key that cascades",
    "create table app.documents_embeddings (id bigint primary key references app.documents, embedding vector(8))",
    /does not follow.*add foreign key \(id\) references app\.documents \(id\) on delete cascade on update cascade/s,
  ],
  [
    "it has another column that is NOT NULL",
    `create table app.documents_embeddings (id bigint primary key references app.documents on delete cascade on update cascade,
      embedding vector(8), author text not null)`,
    /author.*NOT NULL.*drop not null/s,
  ],
  [
    "its vectors have another length",
    `create table app.documents_embeddings (id bigint primary key references app.documents on delete cascade on update cascade,
      embedding vector(3))`,
    /dimensions|there already/,
  ],
  ["it is a view", "create view app.documents_embeddings as select 1 as id", /not a table that can hold/],
])(
  "An existing table of vectors is refused where %s, with what to do, and nothing changes",
  async (_what, create, says) => {
    const { client, watchAgain } = await prepareWithout();
    await client.query(create);
    const columns = "select attrelid, attname from pg_attribute where attrelid >= 16384 order by 1, 2";
    const before = await client.query(columns);
    const refusal = await watchAgain({ dimensions: DIMENSIONS }).then(
      () => "was watched",
      (error: unknown) => `${(error as Error).message} ${(error as { remedy?: string }).remedy ?? ""}`,
    );
    expect(refusal).toMatch(says);
    expect((await client.query(columns)).rows).toEqual(before.rows);
  },
);

async function prepareWithout() {
  const apart = await prepareApart();
  await unwatch(apart.db, "docs");
  await apart.client.query("drop view app.documents_with_embedding; drop table app.documents_embeddings");
  return apart;
}

test("An existing table of the right shape is used for vectors, and its other columns and vectors stay as they are", async () => {
  const { client, listen, watchAgain } = await prepareWithout();
  await client.query(`create table app.documents_embeddings (
    id bigint primary key references app.documents on delete cascade on update cascade,
    embedding vector(${DIMENSIONS}), title_vector vector(${DIMENSIONS}), note text)`);
  expect(await watchAgain()).toMatchObject({ columnAdded: false, into: "app.documents_embeddings" });
  await watchAgain({ text: "title", vector: "title_vector", name: "titles" });
  const listener = await listen();
  await client.query("insert into app.documents values (1, 'title', 'body'), (2, 'only a title', '')");
  await listener.settled();
  await client.query("update app.documents_embeddings set note = 'mine' where id = 1");
  await client.query("update app.documents set body = '', title = null where id = 1");
  await client.query("update app.documents set title = '' where id = 2");
  await listener.settled();
  const { rows } = await client.query("select * from app.documents_embeddings");
  expect(rows).toEqual([{ id: "1", embedding: null, title_vector: null, note: "mine" }]);
});

test("Unwatch keeps the table of vectors and the view, and watching again uses them", async () => {
  const { client, db, listen, watchAgain } = await prepareApart();
  const listener = await listen();
  await client.query("insert into app.documents values (1, 'a', 'one')");
  await listener.settled();
  await unwatch(db, "docs");
  expect(await wrong(client)).toEqual([]);
  expect((await client.query("select from app.documents_with_embedding")).rowCount).toBe(1);
  await client.query("delete from app.documents");
  expect(await keysBeside(client)).toEqual([]);
  expect(await watchAgain()).toMatchObject({ columnAdded: false });
});

test.each([
  ["the table is dropped", "drop table app.documents_embeddings cascade", /vectors was dropped.*--into/, {}],
  [
    "its vector column is dropped",
    "alter table app.documents_embeddings drop embedding cascade",
    /documents_embeddings has no column embedding/,
    {},
  ],
  [
    "its vector column is renamed",
    "alter table app.documents_embeddings rename embedding to vec",
    /documents_embeddings has no column embedding/,
    { vector: "vec" },
  ],
  [
    "its key column is renamed",
    "alter table app.documents_embeddings rename id to document_id",
    /key column id of app\.documents is not in app\.documents_embeddings/,
    "alter table app.documents_embeddings rename document_id to id",
  ],
])("A table of vectors is reported when %s, and delays no other source", async (_what, alter, says, heal) => {
  const { client, listen, troubleOf, watchAgain, backfill } = await prepareApart();
  const listener = await listen();
  await client.query("insert into app.documents values (1, 'a', 'before')");
  await listener.settled();
  await client.query(alter);
  await client.query("insert into app.documents values (2, 'b', 'after')");
  await client.query("update app.documents set body = 'changed' where id = 1");
  await client.query("insert into patient_embeddings values (7, 'another source')");
  await vi.waitFor(async () => {
    expect((await client.query("select from patient_embeddings where embedding is null")).rowCount).toBe(0);
    expect(await troubleOf()).toMatch(says);
  }, WAIT);

  if (typeof heal === "string") await client.query(heal);
  else await watchAgain(heal);
  await backfill();
  await client.query("alter table app.documents_embeddings rename vec to embedding").catch(() => undefined);
  expect(await wrong(client)).toEqual([]);
});

test("A statement that was made before the vectors got their own table clears no vector", async () => {
  const { client, db, watched, watchAgain, source } = await prepareApart(DOCUMENTS, {
    ...INTO,
    into: undefined,
  });
  expect(watched).toMatchObject({ into: null, view: null });
  const before = await source();
  await client.query("insert into app.documents values (1, 'a', 'one')");
  await client.query("update app.documents set body = '' where id = 1");
  await watchAgain({ into: "documents_embeddings" });
  const { rows } = await client.query<{ ticket: string }>("select ticket from autoembed.embedding_queue");
  const tickets = rows.map(({ ticket }) => ticket);
  expect(await clearVector(db, before, tickets)).toEqual([]);
  expect(await clearVector(db, await source(), tickets)).toEqual(
    tickets.map((ticket) => ({ ticket, done: true })),
  );
});

test("A text expression that raises for one row fails that row alone, and no search, where vectors have their own table", async () => {
  const { client, listen, db, source } = await prepareApart(DOCUMENTS, {
    ...INTO,
    text: "body || (10 / id)",
  });
  const listener = await listen();
  await client.query(
    "insert into app.documents values (0, 'a', 'raises'), (2, 'b', 'two '), (5, 'c', 'five ')",
  );
  await listener.settled();
  expect(await keysBeside(client)).toEqual(["2", "5"]);
  const failed = await client.query("select key from autoembed.embedding_queue where failed_at is not null");
  expect(failed.rows).toEqual([{ key: "0" }]);
  const [best] = await nearest(db, await source(), oracleVector("five 2", DIMENSIONS), {
    limit: 1,
    withText: true,
  });
  expect(best).toMatchObject({ key: "5", text: "five 2" });
});

test("A renamed table of vectors is still filled", async () => {
  const { client, listen } = await prepareApart();
  const listener = await listen();
  await client.query("insert into app.documents values (1, 'a', 'one')");
  await listener.settled();
  await client.query("alter table app.documents_embeddings rename to vectors_of_documents");
  await client.query("insert into app.documents values (2, 'b', 'two')");
  await listener.settled();
  const { rows } = await client.query(
    "select id from app.vectors_of_documents where embedding is not null order by 1",
  );
  expect(rows).toEqual([{ id: "1" }, { id: "2" }]);
});

test("An update of another column leaves the table of vectors and its index as they are", async () => {
  const { client, listen } = await prepareApart();
  const listener = await listen();
  await client.query("insert into app.documents select n, 't', 'text ' || n from generate_series(1, 50) n");
  await listener.settled();
  await client.query(
    "create index vectors_hnsw on app.documents_embeddings using hnsw (embedding vector_cosine_ops)",
  );
  const state = async () =>
    (
      await client.query<{ rows: string; bytes: string }>(
        `select string_agg(ctid::text || xmin::text || xmax::text, ',' order by id) as rows,
          pg_relation_size('app.vectors_hnsw')::text as bytes from app.documents_embeddings`,
      )
    ).rows[0];
  const before = await state();
  for (let i = 0; i < 5; i++) await client.query("update app.documents set title = title || '!'");
  await listener.settled();
  expect(await state()).toEqual(before);
});

async function prepareChange() {
  const apart = await prepareApart();
  const theirs = await startProviderServer({ dimensions: 12 });
  onTestFinished(() => theirs.close());
  const model = {
    backend: "llm_api",
    model: "their-model",
    dimensions: 12,
    settings: { base_url: theirs.openAiUrl },
  };
  return {
    ...apart,
    change: (overrides: Partial<ModelChangeOptions> = {}) =>
      changeModel(apart.config, "docs", {
        model,
        force: false,
        progress: showProgress("none"),
        onStep: () => undefined,
        signal: new AbortController().signal,
        ...overrides,
      }),
  };
}

test("The model of a source with a table of vectors changes with no downtime, and the view and its grants follow", async () => {
  const { client, db, listen, watched, change } = await prepareChange();
  const listener = await listen();
  await client.query("insert into app.documents select n, 't', 'text ' || n from generate_series(1, 30) n");
  await listener.settled();
  await client.query(`grant select on ${watched.view ?? ""} to public`);
  await client.query("create index on app.documents_embeddings using hnsw (embedding vector_cosine_ops)");
  const view = async () =>
    (
      await client.query<{ dimensions: number; rows: number; granted: boolean }>(
        `select max(vector_dims(embedding)) as dimensions, count(*)::int as rows,
          (select relacl::text like '%=r/%' from pg_class where oid = 'app.documents_with_embedding'::regclass) as granted
        from app.documents_with_embedding`,
      )
    ).rows[0];
  expect(await view()).toEqual({ dimensions: DIMENSIONS, rows: 30, granted: true });

  expect(await change()).toMatchObject({ failed: 0, index: "hnsw" });
  expect(await view()).toEqual({ dimensions: 12, rows: 30, granted: true });
  await client.query("insert into app.documents values (31, 'after', 'the switch')");
  await client.query("update app.documents set body = '' where id = 1");
  await listener.settled();
  const switched = await readModelChange(db, "docs");
  if (switched.state !== "switched") throw new Error(switched.state);
  await rollBack(db, switched.live, switched.previous);
  expect(await view()).toEqual({ dimensions: DIMENSIONS, rows: 31, granted: true });
  await change({ model: null });
  const again = await readModelChange(db, "docs");
  if (again.state !== "switched") throw new Error(again.state);
  await dropModel(db, again.previous);
  const { rows } = await client.query<{ body: string; embedding: string }>(
    "select d.body, v.embedding from app.documents d join app.documents_embeddings v using (id)",
  );
  expect(rows).toHaveLength(30);
  for (const { body, embedding } of rows) {
    expect(Float32Array.from(JSON.parse(embedding) as number[])).toEqual(oracleVector(body, 12));
  }
});

describeNative("Vectors in their own table stay right while users work", "needs several sessions", () => {
  test("A text that changes in flight never keeps its old vector in a table of vectors, and no user waits for the call", async () => {
    const { client, provider, listen } = await prepareApart();
    const listener = await listen();
    provider.latencyMs = 3_000;
    await client.query("insert into app.documents values (1, 'a', 'before'), (2, 'b', 'deleted in flight')");
    const call = () => provider.requests.find(({ texts }) => texts.includes("before"));
    await expect.poll(call).toBeDefined();
    await client.query("update app.documents set body = 'after' where id = 1");
    await client.query("delete from app.documents where id = 2");
    expect(call()?.status).toBe(0); // not answered yet
    provider.latencyMs = 0;
    await listener.settled();
    expect(await wrong(client)).toEqual([]);
    expect(await keysBeside(client)).toEqual(["1"]);
  });

  test.each([
    ["a vector's row", "update app.documents_embeddings set embedding = embedding where id = 1"],
    [
      "a vector that is not committed",
      "delete from app.documents_embeddings where id = 1; insert into app.documents_embeddings (id) values (1)",
    ],
    ["a first vector that is not committed", "insert into app.documents_embeddings (id) values (3)"],
    ["a row of the watched table", "select from app.documents where id = 1 for update"],
  ])(
    "A user who holds %s neither waits nor makes the listener wait, and other rows are embedded",
    async (_what, hold) => {
      const { client, database, listen } = await prepareApart();
      const listener = await listen();
      await client.query("insert into app.documents values (1, 'a', 'one'), (2, 'b', 'two'), (3, 'c', null)");
      await listener.settled();
      const user = await session(database.url);
      const key = hold.includes("3") ? "3" : "1";
      if (hold.includes("where id = 1 for update")) {
        await client.query("update app.documents set body = body || '!' where id = 1");
        await user.query(`begin; ${hold}`);
      } else {
        await user.query(`begin; ${hold}`);
        await client.query(`update app.documents set body = 'changed' where id = ${key}`);
      }
      await client.query("update app.documents set body = 'free' where id = 2");
      await expect
        .poll(
          async () => (await client.query<{ key: string }>("select key from autoembed.embedding_queue")).rows,
          WAIT,
        )
        .toEqual(hold.includes("for update") ? expect.anything() : [{ key }]);
      // Were it waited for, with the watched row in hand, this would wait as well, and in a circle.
      await user.query("set lock_timeout = '500ms'");
      await user.query(`update app.documents set title = 'mine' where id = ${key}`);
      await user.query("commit");
      await listener.settled(AbortSignal.timeout(30_000));
      expect(await wrong(client)).toEqual([]);
    },
  );

  test("A change of the model fails no writer and no reader of the view, and hides no row from them", async () => {
    const { client, database, db, listen, change } = await prepareChange();
    const listener = await listen();
    await client.query(
      "insert into app.documents select n, 't', 'text ' || n from generate_series(1, 100) n",
    );
    await listener.settled();
    const stop = new AbortController();
    let rounds = 0;
    let slowest = 0;
    const loop = async (...statements: string[]) => {
      const user = await session(database.url);
      while (!stop.signal.aborted) {
        for (const statement of statements) {
          const started = performance.now();
          const { rows } = await user.query<{ hidden?: string }>(statement);
          slowest = Math.max(slowest, performance.now() - started);
          expect(rows[0]?.hidden ?? "0").toBe("0");
        }
        rounds++;
      }
    };
    const view = `select count(*) filter (where embedding is null) as hidden from app.documents_with_embedding where id <= 50`;
    const running = Promise.all([
      loop(view),
      loop(view),
      loop(
        "update app.documents set body = 'text ' || random() where id = 60",
        "delete from app.documents where id = 70",
        "insert into app.documents values (70, 't', 'again')",
      ),
    ]);
    try {
      await change();
      const now = await readModelChange(db, "docs");
      if (now.state !== "switched") throw new Error(now.state);
      const before = rounds;
      await vi.waitFor(() => {
        expect(rounds).toBeGreaterThan(before + 30);
      }, WAIT);
      await rollBack(db, now.live, now.previous);
    } finally {
      stop.abort();
      await running;
    }
    await listener.settled();
    expect(await wrong(client)).toEqual([]);
    // Half a second is what the switch waits for the tables at most; the rest is room for a busy machine.
    expect(slowest).toBeLessThan(5_000);
  });

  test("Users who write the watched table and the table of vectors in any order see no deadlock, and every row ends right", async () => {
    const { client, database, listen } = await prepareApart();
    const listener = await listen({ EMBED_MAX_CONCURRENCY: "4", EMBED_BATCH_SIZE: "16" });
    await client.query("insert into app.documents select n, 't', 'row ' || n from generate_series(1, 200) n");
    const ending = Date.now() + 4_000;
    const failures = await Promise.all(
      Array.from({ length: 4 }, async (_, u) => {
        const user = await session(database.url);
        await user.query("set deadlock_timeout = '50ms'");
        const failed: string[] = [];
        const own = Array.from({ length: 50 }, (_, i) => 50 * u + i + 1);
        for (let round = 0; Date.now() < ending; round++) {
          try {
            await user.query("begin");
            for (const key of round % 2 === 0 ? own : own.toReversed()) {
              const statement = STATEMENTS[(round + key) % STATEMENTS.length] ?? "";
              await user.query(statement.replaceAll("$1", String(key)).replaceAll("$2", String(round % 7)));
            }
            await user.query("commit");
          } catch (error) {
            failed.push(
              error instanceof pg.DatabaseError ? `${error.code ?? ""} ${error.message}` : String(error),
            );
            await user.query("rollback");
          }
        }
        return failed;
      }),
    );
    await listener.settled(AbortSignal.timeout(30_000));
    expect(failures.flat()).toEqual([]);
    expect(await wrong(client)).toEqual([]);
  });
});

/** What users do to a row of theirs: `$1` its key, `$2` a number. Nothing leaves a wrong vector by itself. */
const STATEMENTS = [
  "update app.documents set body = 'row $1 round $2' where id = $1",
  "update app.documents set body = '' where id = $1",
  "update app.documents_embeddings set embedding = embedding where id = $1; update app.documents set title = 'x' where id = $1",
  "delete from app.documents where id = $1; insert into app.documents values ($1, 't', 'again $1')",
  "update app.documents set id = -$1 where id = $1; update app.documents set id = $1, body = 'there and back $2' where id = -$1",
];

async function session(url: string): Promise<pg.Client> {
  const opened = new pg.Client(url);
  await opened.connect();
  onTestFinished(() => opened.end());
  return opened;
}
