import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { readConfig, type Config } from "../../src/config.ts";
import { backfillPerRow } from "../../src/backfill/per-row.ts";
import { showProgress } from "../../src/backfill/progress.ts";
import { backfillWith, runBackfill, type BackfillReport } from "../../src/backfill/run-backfill.ts";
import { createListener } from "../../src/listener/listener.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import type { Source } from "../../src/sources/source.ts";
import type { Database } from "../../src/database/connect.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { runCommand } from "../support/command.ts";
import { DIMENSIONS, prepare, wrongRows, type Listening } from "../support/listening.ts";

const progress = showProgress("none");
const { signal } = new AbortController();

async function withSource<T>(
  { environment, database }: Listening,
  use: (db: Database, config: Config & { DATABASE_URL: string }, source: Source) => Promise<T>,
): Promise<T> {
  const config = { ...readConfig(environment), DATABASE_URL: database.url };
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  try {
    const [source] = await chooseSources(db, "patient_embeddings");
    if (source === undefined) throw new Error("patient_embeddings is not watched");
    return await use(db, config, source);
  } finally {
    await db.destroy();
  }
}

function backfill(on: Listening, all = false): Promise<BackfillReport> {
  return withSource(on, (_db, config, source) => runBackfill(config, [source], { all, progress, signal }));
}

/** Changes rows as a restore does: with the triggers disabled. */
async function unseen({ client }: Listening, statement: string): Promise<void> {
  await client.query("alter table patient_embeddings disable trigger user");
  await client.query(statement);
  await client.query("alter table patient_embeddings enable trigger user");
}

test("A backfill embeds rows that were restored with triggers disabled", async () => {
  const on = await prepare();
  await unseen(
    on,
    "insert into patient_embeddings select i, 'restored ' || i from generate_series(1, 200) i",
  );
  await unseen(on, "insert into patient_embeddings values (201, ' ')");

  const report = await backfill(on);

  expect(await wrongRows(on.client)).toEqual([]);
  expect(report).toMatchObject({ done: 200, pending: 0, failed: 0 });
});

test("A backfill begins before the provider has answered for the first time", async () => {
  const on = await prepare();
  await unseen(on, "insert into patient_embeddings select i, 'row ' || i from generate_series(1, 20) i");
  on.provider.latencyMs = 6_000;
  const ended = backfill(on);
  const begun = async () => (await on.client.query("select from autoembed.embedding_backfill")).rowCount;
  await expect.poll(begun, { timeout: 3_500 }).toBe(1);
  expect(on.provider.requests.filter(({ status }) => status !== 0)).toEqual([]);
  on.provider.latencyMs = 0;
  expect(await ended).toMatchObject({ done: 20, pending: 0 });
});

test("A key that the provider refuses ends the backfill, and the next backfill does all of it", async () => {
  const on = await prepare();
  await unseen(on, "insert into patient_embeddings select i, 'row ' || i from generate_series(1, 20) i");
  on.provider.apiKey = "another-key";
  await expect(backfill(on)).rejects.toThrow(/key/i);
  on.provider.apiKey = undefined;
  expect(await backfill(on)).toMatchObject({ done: 20, pending: 0 });
  expect(await wrongRows(on.client)).toEqual([]);
});

test("A database that cannot be reached fails the backfill's call, and is reported nowhere else", async () => {
  const on = await prepare();
  const unhandled: unknown[] = [];
  const record = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", record);
  onTestFinished(() => void process.off("unhandledRejection", record));
  const ended = withSource(on, async (_db, config, source) => {
    const elsewhere = { ...config, DATABASE_URL: "postgres://nobody@127.0.0.1:1/nothing" };
    await runBackfill(elsewhere, [source], { all: false, progress, signal });
  });
  await expect(ended).rejects.toThrow();
  await new Promise((resolve) => setImmediate(resolve));
  expect(unhandled).toEqual([]);
});

test("A listener that fails to start ends the backfill, and the next backfill does all of it", async () => {
  const on = await prepare();
  await unseen(on, "insert into patient_embeddings values (1, 'one')");
  await withSource(on, async (_db, config, source) => {
    const listener = createListener(config);
    const started = new Promise<void>((_resolve, reject) =>
      setTimeout(() => {
        reject(new Error("no start"));
      }, 50),
    );
    const ended = backfillWith(listener, started, config, [source], { all: false, progress, signal });
    await expect(ended).rejects.toThrow("no start");
    await listener.stop();
  });
  expect(await backfill(on)).toMatchObject({ done: 1, pending: 0 });
});

test("A backfill leaves existing vectors alone, and pays nothing for them", async () => {
  const on = await prepare();
  const vector = `[${oracleVector("another tool's", DIMENSIONS).join(",")}]`;
  await unseen(
    on,
    `insert into patient_embeddings select i, 'adopted ' || i, '${vector}' from generate_series(1, 50) i`,
  );
  const before = on.provider.counts.inputs;

  const report = await backfill(on);

  expect(report.done).toBe(0);
  expect(on.provider.counts.inputs - before).toBeLessThanOrEqual(2); // its probes for the dimensions
  const { rows } = await on.client.query("select distinct embedding from patient_embeddings");
  expect(rows).toHaveLength(1);
});

test("A backfill replaces the vector of a text that was changed with triggers disabled", async () => {
  const on = await prepare();
  const listener = await on.listen();
  await on.client.query("insert into patient_embeddings values (1, 'before'), (2, 'stays'), (3, 'blanked')");
  await listener.whenDrained();
  await unseen(on, "update patient_embeddings set context_text = 'after' where patient_id = 1");
  await unseen(on, "update patient_embeddings set context_text = ' ' where patient_id = 3");
  expect(await wrongRows(on.client)).toEqual(["1", "3"]);

  await backfill(on);

  expect(await wrongRows(on.client)).toEqual([]);
});

test("A backfill with --all writes every row again, and pays only for texts whose vectors were all overwritten", async () => {
  const on = await prepare();
  await unseen(on, "insert into patient_embeddings values (1, 'a'), (2, 'b'), (3, 'a')");
  await backfill(on);
  await unseen(
    on,
    `update patient_embeddings set embedding = '[${"1,".repeat(DIMENSIONS - 1)}1]' where patient_id < 3`,
  );
  const texts = () =>
    on.provider.requests.flatMap((request) => request.texts).filter((text) => text.length === 1);
  expect(texts().toSorted()).toEqual(["a", "b"]);

  const report = await backfill(on, true);

  // Row 3 still has the vector of the text that it shares with row 1.
  expect(report.cached).toBe(2);
  expect(texts().toSorted()).toEqual(["a", "b", "b"]);
  expect(await wrongRows(on.client)).toEqual([]);
});

test("A backfill with --fresh embeds every text again, once, whatever rows and cache have", async () => {
  const on = await prepare();
  await unseen(on, "insert into patient_embeddings values (1, 'a'), (2, 'b'), (3, 'a'), (4, 'c')");
  await backfill(on);
  // In the cache from now on.
  await on.client.query("update patient_embeddings set context_text = 'd' where patient_id = 4");
  const before = on.provider.requests.length;
  await unseen(on, "insert into patient_embeddings values (5, 'c')");
  const command = runCommand(["backfill", "--fresh"], on.environment);
  expect(await command.exited, command.stderr()).toBe(0);
  const texts = on.provider.requests.slice(before).flatMap((request) => request.texts);
  expect(texts.filter((text) => text.length === 1).toSorted()).toEqual(["a", "b", "c", "d"]);
  expect(await wrongRows(on.client)).toEqual([]);
});

test("A backfill with --per-row gives the same vectors, and enters them in the ledger", async () => {
  const on = await prepare();
  await unseen(on, "insert into patient_embeddings select i, 'row ' || i from generate_series(1, 12) i");

  const count = { rows: 0, left: 0 };
  await withSource(on, (db, config, source) =>
    backfillPerRow(db, config, source, { progress, count, signal }),
  );

  expect(count).toEqual({ rows: 12, left: 0 });
  expect(await wrongRows(on.client)).toEqual([]);
  const { rows: entered } = await on.client.query(`
    select count(*)::int as rows, min(m.name) like 'llm_api/%' as named from patient_embeddings p
    join autoembed.embedding_ledger l on l.key = p.patient_id::text
      and l.text_hash = sha256(convert_to(p.context_text, 'UTF8'))
      and l.vector_hash = substr(sha256(vector_send(p.embedding)), 1, 8)
    join autoembed.embedding_model m on m.id = l.model_id`);
  expect(entered).toEqual([{ rows: 12, named: true }]);
  const paid = on.provider.counts.inputs;
  await on.client.query("insert into patient_embeddings values (13, 'row 1')");
  await backfill(on);
  expect(on.provider.requests.slice(paid).flatMap(({ texts }) => texts)).not.toContain("row 1");
});

test("A backfill next to a running listener pays for each text once", async () => {
  const on = await prepare();
  await unseen(on, "insert into patient_embeddings select i, 'shared ' || i from generate_series(1, 400) i");
  await on.listen();

  await backfill(on);

  expect(await wrongRows(on.client)).toEqual([]);
  const sent = on.provider.requests.flatMap(({ texts }) => texts).filter((text) => text.startsWith("shared"));
  expect(new Set(sent).size).toBe(400);
  expect(sent).toHaveLength(400);
});

test("A backfill next to a writer that never stops ends when the rows that it found are done", async () => {
  const on = await prepare();
  await unseen(on, "insert into patient_embeddings select i, 'found ' || i from generate_series(1, 300) i");
  on.provider.latencyMs = 50;
  const writing = { now: true };
  const writer = (async () => {
    for (let n = 1; writing.now; n++) {
      await on.client.query("update patient_embeddings set context_text = $1 where patient_id = 7", [
        `edited ${n}`,
      ]);
    }
  })();

  const report = await backfill(on).finally(async () => {
    writing.now = false;
    await writer;
  });

  expect(report).toMatchObject({ pending: 0, failed: 0 });
  expect((await wrongRows(on.client)).filter((id) => id !== "7")).toEqual([]);
});

test("A backfill whose table is dropped fails with the table's name, and ends nothing else with it", async () => {
  const on = await prepare();
  await on.client
    .query(`create table dropped_notes (id bigint primary key, note text, embedding vector(${DIMENSIONS}));
    select autoembed.watch('dropped_notes', 'note')`);
  await withSource(on, async (db, config) => {
    const sources = await chooseSources(db, "dropped_notes");
    await on.client.query("drop table dropped_notes");

    await expect(runBackfill(config, sources, { all: false, progress, signal })).rejects.toThrow(
      "dropped_notes",
    );
  });
});

test("A backfill whose source is paused half-way reports it once, and goes on when the source is resumed", async () => {
  const on = await prepare({ EMBED_BATCH_SIZE: "8" });
  on.provider.latencyMs = 50;
  await unseen(on, "insert into patient_embeddings select i, 'paused ' || i from generate_series(1, 400) i");
  const command = runCommand(["backfill"], on.environment);
  await expect.poll(() => on.provider.requests.length, { timeout: 30_000 }).toBeGreaterThan(3);
  const set = (paused: boolean) =>
    on.client.query(
      `update autoembed.embedding_source set paused = ${paused}; select pg_notify('autoembed', '')`,
    );
  await set(true);
  const said =
    "patient_embeddings is paused, so its pending rows wait. To continue: npm run resume -- patient_embeddings\n";
  await expect.poll(() => command.stderr(), { timeout: 30_000 }).toContain(said);
  await set(false);
  expect(await command.exited).toBe(0);
  expect(command.stderr().split(said)).toHaveLength(2);
  expect(await wrongRows(on.client)).toEqual([]);
}, 180_000);

test("A backfill that waits for its provider reports why and goes on when that is fixed, and one of a paused source is refused", async () => {
  const on = await prepare({ EMBED_BATCH_SIZE: "8" });
  await unseen(on, "insert into patient_embeddings select i, 'row ' || i from generate_series(1, 60) i");
  // Slow enough that the backfill is not over before the test looks at it.
  on.provider.latencyMs = 300;
  const command = runCommand(["backfill"], on.environment);
  await expect.poll(() => on.provider.counts.inputs).toBeGreaterThan(10);
  on.provider.apiKey = "another key";
  await expect.poll(() => command.stderr()).toMatch(/^patient_embeddings: .*401/m);
  on.provider.apiKey = undefined;
  on.provider.latencyMs = 0;
  expect(await command.exited).toBe(0);
  expect(await wrongRows(on.client)).toEqual([]);

  await on.client.query("update autoembed.embedding_source set paused = true");
  const paused = runCommand(["backfill"], on.environment);
  expect(await paused.exited).toBe(1);
  expect(paused.stderr()).toContain("npm run resume -- patient_embeddings");
}, 120_000);

test("A backfill of one source counts that source's rows alone, whatever else the listener does", async () => {
  const on = await prepare();
  await on.client.query(
    "drop table if exists others; create table others (id int primary key, words text, embedding vector(8))",
  );
  await on.client.query("select autoembed.watch('others', 'words')");
  on.provider.poison = (text) => text === "refused";
  await on.client.query("insert into others values (1, 'refused'), (2, 'fine')");
  await unseen(on, "insert into patient_embeddings select i, 'row ' || i from generate_series(1, 200) i");
  on.provider.latencyMs = 50;

  expect(await backfill(on)).toMatchObject({ done: 200, failed: 0, pending: 0 });
});
