import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { showProgress } from "../../src/backfill/progress.ts";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { dropModel } from "../../src/model-change/drop-model.ts";
import { readModelChange } from "../../src/model-change/model-change-state.ts";
import { changeModel } from "../../src/model-change/change-model.ts";
import { buildIndex } from "../../src/search/build-index.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";
import { startProviderServer } from "../support/provider-server.ts";
import { find } from "../support/searching.ts";

vi.setConfig({ testTimeout: 120_000 });

/** `app.visits`, partitioned by month, and January by id as well; with rows that are embedded. */
async function prepareVisits() {
  const around = await prepare();
  const { client, database, environment } = around;
  await client.query(`drop schema if exists app cascade; create schema app;
    create table app.visits (id int, at date, "What" text, embedding vector(${DIMENSIONS}), primary key (id, at)) partition by range (at);
    create table app.january partition of app.visits for values from ('2025-01-01') to ('2025-02-01') partition by range (id);
    create table app.january_1 partition of app.january for values from (0) to (100);
    create table app.january_2 partition of app.january for values from (100) to (200);
    create table app."February" partition of app.visits for values from ('2025-02-01') to ('2025-03-01');
    select autoembed.watch('app.visits', 'What', source_name => 'visits')`);
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const listener = await around.listen();
  await client.query(
    `insert into app.visits select n, '2025-01-20'::date + n % 20, 'visit ' || n from generate_series(1, 190) n`,
  );
  await listener.whenDrained();
  const source = async () => {
    const [found] = await chooseSources(db, "visits");
    if (found === undefined) throw new Error("no source");
    return found;
  };
  const lines: string[] = [];
  return {
    ...around,
    db,
    listener,
    source,
    lines,
    config: { ...readConfig(environment), DATABASE_URL: database.url },
    build: async () =>
      await buildIndex(db, await source(), {
        database: { DATABASE_URL: database.url },
        now: false,
        onProgress: (line) => lines.push(line),
        signal: new AbortController().signal,
      }),
  };
}

/** The indexes on vectors, with what they are part of: `visits_embedding_idx < - valid`. */
async function indexes(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ index: string }>(
    `select format('%s < %s%s', c.relname, coalesce(h.inhparent::regclass::text, '-'), case when i.indisvalid then '' else ' invalid' end) as index
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam
    left join pg_inherits h on h.inhrelid = c.oid where m.amname = 'hnsw' and c.relnamespace = 'app'::regnamespace order by 1`,
  );
  return rows.map(({ index }) => index);
}

const WHOLE = [
  "February_embedding_idx < app.visits_embedding_idx",
  "january_1_embedding_idx < app.january_embedding_idx",
  "january_2_embedding_idx < app.january_embedding_idx",
  "january_embedding_idx < app.visits_embedding_idx",
  "visits_embedding_idx < -",
];

test("An index on a partitioned table consists of its partitions' indexes, and a new partition gets its own", async () => {
  const { client, db, build } = await prepareVisits();
  expect(await build()).toMatchObject({ name: "app.visits_embedding_idx", built: true });
  expect(await indexes(client)).toEqual(WHOLE);
  expect(await build()).toMatchObject({ name: "app.visits_embedding_idx", built: false });

  await client.query(
    "create table app.march partition of app.visits for values from ('2025-03-01') to ('2025-04-01')",
  );
  expect(await indexes(client)).toContain("march_embedding_idx < app.visits_embedding_idx");
  const [best] = await find(db, "visits", "visit 150", { limit: 1, withText: true });
  expect(best).toMatchObject({ text: "visit 150" });
});

test("Existing indexes of partitions are used, and an index that an interrupted build left is built again", async () => {
  const { client, build, lines } = await prepareVisits();
  await client.query(`create index mine on app.january_1 using hnsw (embedding vector_cosine_ops) with (m = 8);
    create index left_behind on app."February" using hnsw (embedding vector_l2_ops);
    update pg_index set indisvalid = false where indexrelid = 'app.left_behind'::regclass;
    create index other on app.january_2 using hnsw (embedding vector_l2_ops);
    create index partial on app.january_2 using hnsw (embedding vector_cosine_ops) where id > 150;
    create index begun on only app.visits using hnsw (embedding vector_cosine_ops)`);
  expect(await build()).toMatchObject({ name: "app.begun", built: true });
  expect(await indexes(client)).toEqual([
    "February_embedding_idx < app.begun",
    "begun < -",
    "january_2_embedding_idx < app.january_embedding_idx",
    "january_embedding_idx < app.begun",
    "mine < app.january_embedding_idx",
    "other < -",
    "partial < -",
  ]);
  expect(lines).toContain("dropping app.left_behind, which an interrupted build left behind");
});

test("A change of the model copies the index of a partitioned table", async () => {
  const { client, db, build, config, listener } = await prepareVisits();
  await build();
  await client.query(`create index only_here on app."February" using hnsw (embedding vector_l2_ops)`);
  const theirs = await startProviderServer({ dimensions: 12 });
  onTestFinished(() => theirs.close());
  const report = await changeModel(config, "visits", {
    model: {
      backend: "llm_api",
      model: "their-model",
      dimensions: 12,
      settings: { base_url: theirs.openAiUrl },
    },
    force: false,
    progress: showProgress("none"),
    onStep: () => undefined,
    signal: new AbortController().signal,
  });
  expect(report).toMatchObject({ index: "hnsw", failed: 0 });
  await listener.whenDrained();
  const switched = await readModelChange(db, "visits");
  if (switched.state !== "switched") throw new Error(switched.state);
  await dropModel(db, switched.previous);
  expect(await indexes(client)).toEqual([
    "February_embedding_next_idx < app.visits_embedding_next_idx",
    "February_embedding_next_idx1 < -",
    "january_1_embedding_next_idx < app.january_embedding_next_idx",
    "january_2_embedding_next_idx < app.january_embedding_next_idx",
    "january_embedding_next_idx < app.visits_embedding_next_idx",
    "visits_embedding_next_idx < -",
  ]);
});

describeNative("An index build can be stopped", "needs a server that outlives a killed command", () => {
  test("An index build on a partitioned table that is killed goes on where it stopped, and writers are not blocked", async () => {
    const { client, database, environment } = await prepareVisits();
    // An old transaction keeps the build on the last partition from finishing.
    const old = new pg.Client(database.url);
    await old.connect();
    onTestFinished(() => old.end());
    await old.query(`begin; update app."February" set "What" = "What" where id = 15`);
    const first = runCommand(["index", "visits"], environment);
    const waits = async () =>
      (
        await client.query(
          `select from pg_stat_progress_create_index where relid = 'app."February"'::regclass and phase like 'waiting%'`,
        )
      ).rowCount;
    await expect.poll(waits, { timeout: 90_000 }).toBe(1);
    first.process.kill("SIGKILL");
    await first.exited;
    await client.query(`insert into app.visits values (500, '2025-02-20', 'while it is built')`);
    await client.query(`update app.visits set "What" = 'changed while it is built' where id = 2`);

    const second = runCommand(["index", "visits"], environment);
    await expect.poll(() => second.stderr(), { timeout: 90_000 }).toContain("waiting for another process");
    await old.query("commit");
    expect(await second.exited).toBe(0);
    expect(second.stdout()).toContain("app.visits_embedding_idx was built");
    expect(await indexes(client)).toEqual(WHOLE);
  });

  test("An index build on a partitioned table that is interrupted is cancelled at once", async () => {
    const { client, database, environment } = await prepareVisits();
    const old = new pg.Client(database.url);
    await old.connect();
    onTestFinished(() => old.end());
    await old.query(`begin; update app.january_1 set "What" = "What" where id = 15`);
    const command = runCommand(["index", "visits"], environment);
    const builds = async () =>
      (await client.query("select from pg_stat_progress_create_index where datname = current_database()"))
        .rowCount;
    await expect.poll(builds, { timeout: 90_000 }).toBe(1);
    command.process.kill("SIGINT");
    expect(await command.exited).toBe(1);
    expect(command.stderr()).toContain("Interrupted by SIGINT");
    expect(await builds()).toBe(0);
  });
});
