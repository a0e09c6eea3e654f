import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { showProgress } from "../src/backfill/progress.ts";
import { readConfig } from "../src/config.ts";
import { connect } from "../src/database/connect.ts";
import { remodel, type RemodelOptions } from "../src/remodel/remodel.ts";
import { readRemodelling } from "../src/remodel/remodelling.ts";
import { dropModel, rollBack } from "../src/remodel/switch.ts";
import { setPaused } from "../src/sources/set-paused.ts";
import { describeNative } from "./support/database.ts";
import { DIMENSIONS, prepare, wrongRows } from "./support/listening.ts";
import { oracleVector, startProviderServer } from "./support/provider-server.ts";

vi.setConfig({ testTimeout: 120_000 });

const NEW_DIMENSIONS = 12;
const NAME = "patient_embeddings";

async function prepareChange(rows: number) {
  const listening = await prepare();
  const { client, database, environment } = listening;
  const theirs = await startProviderServer({ dimensions: NEW_DIMENSIONS });
  onTestFinished(() => theirs.close());
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(async () => {
    const now = await readRemodelling(db, NAME);
    if (now.state === "switched") await rollBack(db, now.live, now.previous);
    const after = await readRemodelling(db, NAME);
    if (after.state === "building") await dropModel(db, after.next);
    await db.destroy();
  });
  await client.query(
    "insert into patient_embeddings select n, 'text ' || n from generate_series(1, $1::int) n",
    [rows],
  );
  const listener = await listening.listen();
  await listener.settled();
  const config = { ...readConfig(environment), DATABASE_URL: database.url };
  return {
    ...listening,
    listener,
    theirs,
    db,
    change: (overrides: Partial<RemodelOptions> = {}) =>
      remodel(config, NAME, {
        model: {
          backend: "llm_api",
          model: "their-model",
          dimensions: NEW_DIMENSIONS,
          settings: { base_url: theirs.openAiUrl },
        },
        force: false,
        progress: showProgress("none"),
        onStep: () => undefined,
        signal: new AbortController().signal,
        ...overrides,
      }),
  };
}

/** Rows whose vector is not the new model's for their text. */
async function notOfTheNewModel(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ patient_id: string; context_text: string; embedding: string | null }>(
    "select patient_id, context_text, embedding from patient_embeddings order by patient_id",
  );
  return rows.flatMap(({ patient_id, context_text, embedding }) => {
    const actual = embedding === null ? null : Float32Array.from(JSON.parse(embedding) as number[]);
    return String(oracleVector(context_text, NEW_DIMENSIONS)) === String(actual) ? [] : [patient_id];
  });
}

async function vectorColumns(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ column: string }>(
    `select attname || ' ' || format_type(atttypid, atttypmod) as column from pg_attribute
    where attrelid = 'patient_embeddings'::regclass and attname like 'embedding%' order by 1`,
  );
  return rows.map(({ column }) => column);
}

test("a model is changed, followed by what comes after, rolled back, changed again and finished", async () => {
  const { client, db, change, listener } = await prepareChange(40);
  await client.query("create index on patient_embeddings using hnsw (embedding vector_cosine_ops)");

  const report = await change();
  expect(report).toMatchObject({ source: NAME, model: "their-model", failed: 0, index: "hnsw" });
  expect(report.comparison.rows).toBe(20);
  expect(report.comparison.overlap).toBeGreaterThan(0);
  expect(await notOfTheNewModel(client)).toEqual([]);
  await client.query("insert into patient_embeddings values (1001, 'a row that comes after the switch')");
  await client.query(
    "update patient_embeddings set context_text = 'changed after the switch' where patient_id = 2",
  );
  await listener.settled();
  expect(await notOfTheNewModel(client)).toEqual([]);

  const switched = await readRemodelling(db, NAME);
  if (switched.state !== "switched") throw new Error(switched.state);
  await rollBack(db, switched.live, switched.previous);
  expect(await wrongRows(client)).toEqual([]);

  await change({ model: null });
  const again = await readRemodelling(db, NAME);
  if (again.state !== "switched") throw new Error(again.state);
  await dropModel(db, again.previous);
  expect(await notOfTheNewModel(client)).toEqual([]);
  expect(await vectorColumns(client)).toEqual([`embedding vector(${NEW_DIMENSIONS})`]);
  const { rows } = await client.query("select name from embedding_source");
  expect(rows).toEqual([{ name: NAME }]);

  // Back to what the other tests of this database expect.
  await client.query(`alter table patient_embeddings drop embedding, add embedding vector(${DIMENSIONS});
    update embedding_source set backend = null, model = null, dimensions = null, settings = '{}'`);
});

test("stopped halfway, or paused, the change goes on where it was, and pays for nothing twice", async () => {
  const { client, db, change, theirs } = await prepareChange(300);
  const stopping = new AbortController();
  await expect(
    change({
      signal: stopping.signal,
      progress: {
        show: ({ done }) => {
          if (done > 0) stopping.abort(new Error("killed"));
        },
        end: () => undefined,
      },
    }),
  ).rejects.toThrow();
  const halfway = await readRemodelling(db, NAME);
  if (halfway.state !== "building") throw new Error(halfway.state);
  expect(await wrongRows(client)).toEqual([]);

  await setPaused(db, halfway.next.name, true);
  await expect(
    change({ model: { backend: null, model: "another", dimensions: 3, settings: {} } }),
  ).rejects.toThrow(/under way/);
  await change({ model: null });
  expect(await notOfTheNewModel(client)).toEqual([]);
  const sent = theirs.requests.flatMap(({ texts }) => texts).filter((text) => text.startsWith("text "));
  expect(new Set(sent).size).toBe(sent.length);
});

test("rows that the new model refuses are told before anything is switched", async () => {
  const { client, db, change, theirs } = await prepareChange(5);
  theirs.poison = (text) => text === "text 3";
  await expect(change()).rejects.toThrow(/1 rows cannot be embedded/);
  expect((await readRemodelling(db, NAME)).state).toBe("building");
  expect(await wrongRows(client)).toEqual([]);
});

describeNative("beside writers and searches", "needs transactions that run at the same time", () => {
  test("a change of the model and its way back fail nobody, hold nobody up, and hide no row", async () => {
    const { client, db, database, change, listener } = await prepareChange(200);
    const stop = new AbortController();
    let slowest = 0;
    let searches = 0;
    let writes = 0;
    const loop = async (work: (session: pg.Client) => Promise<void>) => {
      const session = new pg.Client(database.url);
      await session.connect();
      try {
        while (!stop.signal.aborted) {
          const started = performance.now();
          await work(session);
          slowest = Math.max(slowest, performance.now() - started);
        }
      } finally {
        await session.end();
      }
    };
    const running = Promise.all([
      loop(async (session) => {
        const n = 1 + (writes++ % 100);
        await session.query("update patient_embeddings set context_text = $1 where patient_id = $2", [
          `text ${n} as of ${writes}`,
          n,
        ]);
        await session.query("insert into patient_embeddings values ($1, 'comes and goes')", [1000 + n]);
        await session.query("delete from patient_embeddings where patient_id = $1", [1000 + n]);
      }),
      loop(async (session) => {
        searches++;
        const { rows } = await session.query(
          `select patient_id from patient_embeddings where patient_id <= 200
          order by embedding <=> (select embedding from patient_embeddings where patient_id = 150) limit 200`,
        );
        expect(rows).toHaveLength(200);
        const hidden = await session.query(
          "select patient_id from patient_embeddings where patient_id <= 200 and embedding is null",
        );
        expect(hidden.rows).toEqual([]);
      }),
    ]);
    try {
      await change();
      const now = await readRemodelling(db, NAME);
      if (now.state !== "switched") throw new Error(now.state);
      const [before, after] = [writes, searches];
      await vi.waitFor(() => {
        expect(writes).toBeGreaterThan(before + 20);
        expect(searches).toBeGreaterThan(after + 20);
      }, 30_000);
      await rollBack(db, now.live, now.previous);
      await change({ model: null });
    } finally {
      stop.abort();
      await running;
    }
    await listener.settled();
    expect(await notOfTheNewModel(client)).toEqual([]);
    // Half a second is what the switch waits for the table at most; the rest is room for a busy machine.
    expect(slowest).toBeLessThan(5_000);
  });
});
