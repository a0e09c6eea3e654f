import pg from "pg";
import { expect, test, vi } from "vitest";
import { SetupError } from "../../src/errors.ts";
import { readModelChange } from "../../src/model-change/model-change-state.ts";
import { dropModel } from "../../src/model-change/drop-model.ts";
import { rollBack } from "../../src/model-change/switch.ts";
import { setPaused } from "../../src/sources/set-paused.ts";
import {
  NAME,
  NEW_DIMENSIONS,
  notOfTheNewModel,
  prepareChange,
  vectorColumns,
} from "../support/changing-model.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, wrongRows } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";

vi.setConfig({ testTimeout: 120_000 });

test("A model is changed, used for later rows, rolled back, changed again and finished", async () => {
  const { client, db, change, listener } = await prepareChange(40);
  await client.query("create index on patient_embeddings using hnsw (embedding vector_cosine_ops)");

  const report = await change();
  expect(report).toMatchObject({ source: NAME, model: "their-model", failed: 0, index: "hnsw" });
  expect(report.comparison.rows).toBe(20);
  expect(await notOfTheNewModel(client)).toEqual([]);
  await client.query("insert into patient_embeddings values (1001, 'a row that comes after the switch')");
  await client.query(
    "update patient_embeddings set context_text = 'changed after the switch' where patient_id = 2",
  );
  await listener.whenDrained();
  expect(await notOfTheNewModel(client)).toEqual([]);

  const switched = await readModelChange(db, NAME);
  if (switched.state !== "switched") throw new Error(switched.state);
  await rollBack(db, switched.live, switched.previous);
  expect(await wrongRows(client)).toEqual([]);

  await change({ model: null });
  const again = await readModelChange(db, NAME);
  if (again.state !== "switched") throw new Error(again.state);
  await dropModel(db, again.previous);
  expect(await notOfTheNewModel(client)).toEqual([]);
  expect(await vectorColumns(client)).toEqual([`embedding vector(${NEW_DIMENSIONS})`]);
  const { rows } = await client.query("select name from autoembed.embedding_source");
  expect(rows).toEqual([{ name: NAME }]);

  // The other tests of this file expect the table as it was.
  await client.query(`alter table patient_embeddings drop embedding, add embedding vector(${DIMENSIONS});
    update autoembed.embedding_source set backend = null, model = null, dimensions = null, settings = '{}'`);
});

test("A change of the model that was stopped or paused goes on where it was, and pays for nothing twice", async () => {
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
  const halfway = await readModelChange(db, NAME);
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

test("Rows that the new model refuses are reported before anything is switched", async () => {
  const { client, db, change, theirs } = await prepareChange(5);
  theirs.poison = (text) => text === "text 3";
  await expect(change()).rejects.toThrow(/cannot embed 1 rows/);
  expect((await readModelChange(db, NAME)).state).toBe("building");
  expect(await wrongRows(client)).toEqual([]);
});

test("recall@10 is measured over the neighbours of each row, without the row itself", async () => {
  const { change } = await prepareChange(20);
  const { comparison } = await change();
  expect(comparison.rows).toBe(20);
  expect(comparison.recall).toBeCloseTo(recallOf(Array.from({ length: 20 }, (_, i) => `text ${i + 1}`)), 10);
});

test("recall@10 counts rows of equal texts as equally near, so that their order is no difference of the models", async () => {
  const { client, change } = await prepareChange(0);
  await client.query(
    "insert into patient_embeddings select n, case when n % 2 = 0 then 'one' else 'other' end from generate_series(1, 40) n",
  );
  expect((await change()).comparison).toEqual({ rows: 20, recall: 1 });
});

test("The new column's index has the method, the distance and the options of the old column's index", async () => {
  const { client, change } = await prepareChange(5);
  await client.query(
    "create index on patient_embeddings using hnsw (embedding vector_l2_ops) with (m = 8, ef_construction = 32)",
  );
  expect((await change()).index).toBe("hnsw");
  const { rows } = await client.query<{ made: string }>(
    "select substring(indexdef from 'USING.*') as made from pg_indexes where tablename = 'patient_embeddings' and indexdef ~ 'hnsw' order by 1",
  );
  expect(rows.map(({ made }) => made)).toEqual([
    "USING hnsw (embedding vector_l2_ops) WITH (m='8', ef_construction='32')",
    "USING hnsw (embedding_previous vector_l2_ops) WITH (m='8', ef_construction='32')",
  ]);
  await client.query(
    "do $$ begin execute (select string_agg(format('drop index %I', indexname), ';') from pg_indexes where tablename = 'patient_embeddings' and indexdef ~ 'hnsw'); end $$",
  );
});

test("Every index of the old column is copied, with its condition, its options and the default of its type", async () => {
  const { client, change } = await prepareChange(5);
  await client.query(`create index only_some on patient_embeddings using hnsw (embedding vector_cosine_ops) with (m = 8)
      where patient_id > 2 and embedding is not null and context_text <> 'an embedding';
    create index by_lists on patient_embeddings using ivfflat (embedding) with (lists = 3);
    create index of_halves on patient_embeddings using hnsw ((embedding::halfvec(${DIMENSIONS})) halfvec_ip_ops)`);
  expect((await change()).index).toBe("hnsw, ivfflat");
  const { rows } = await client.query<{ made: string }>(
    `select substring(indexdef from 'USING.*') as made from pg_indexes
    where tablename = 'patient_embeddings' and indexdef ~ 'USING (hnsw|ivfflat)' and indexdef !~ 'embedding_previous' order by 1`,
  );
  expect(rows.map(({ made }) => made)).toEqual([
    "USING hnsw (embedding vector_cosine_ops) WITH (m='8') WHERE ((patient_id > 2) AND (embedding IS NOT NULL) AND (context_text <> 'an embedding'::text))",
    "USING hnsw (embedding vector_ip_ops)",
    "USING ivfflat (embedding) WITH (lists='3')",
  ]);
  await client.query(
    "do $$ begin execute (select string_agg(format('drop index %I', indexname), ';') from pg_indexes where tablename = 'patient_embeddings' and indexdef ~ 'USING (hnsw|ivfflat)'); end $$",
  );
});

test("Vectors that are too long for the old column's index are reported before anything is added or embedded", async () => {
  const { client, change, theirs } = await prepareChange(5);
  await client.query("create index too_short on patient_embeddings using hnsw (embedding vector_cosine_ops)");
  const model = {
    backend: "llm_api",
    model: "their-model",
    dimensions: 4_001,
    settings: { base_url: theirs.openAiUrl },
  };
  await expect(change({ model })).rejects.toThrow(
    "The new vectors have 4001 dimensions, and the index of the old ones (public.too_short) takes at most 4000.",
  );
  expect(theirs.requests).toEqual([]);
  expect(await vectorColumns(client)).toEqual([`embedding vector(${DIMENSIONS})`]);
  await client.query("drop index too_short");
});

test("Many changes while the index is built do not delay the switch, even without another listener", async () => {
  const { client, change, listener, listen } = await prepareChange(20);
  await listener.stop();
  await client.query("create index on patient_embeddings using hnsw (embedding vector_cosine_ops)");
  let came: Promise<unknown> = Promise.resolve();
  await change({
    signal: AbortSignal.timeout(60_000),
    onStep: (step) => {
      if (!step.startsWith("building the index")) return;
      came = client.query(
        "insert into patient_embeddings select n, 'late ' || n from generate_series(1001, 2000) n",
      );
    },
  });
  await came;
  // Up to 500 may be pending when it is switched; they had no vector before either.
  await (await listen()).whenDrained();
  expect(await notOfTheNewModel(client)).toEqual([]);
});

test("Of two changes of the model at once one switches, the other is refused, and none is half done", async () => {
  const { client, change } = await prepareChange(40);
  const ends = await Promise.allSettled([change(), change()]);
  const refusals = ends.flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : []));
  expect(refusals).toEqual([expect.any(SetupError)]);
  expect(await notOfTheNewModel(client)).toEqual([]);
  expect(await vectorColumns(client)).toHaveLength(2);
});

test("Column names that are taken are reported at the start, and long names are cut as Postgres cuts them", async () => {
  const { client, change, db, theirs } = await prepareChange(3);
  await client.query("alter table patient_embeddings add embedding_previous text");
  await expect(change()).rejects.toThrow(/already has a column embedding_previous/);
  expect(theirs.counts.inputs).toBe(0);
  expect((await readModelChange(db, NAME)).state).toBe("none");
  await client.query("alter table patient_embeddings drop embedding_previous");

  const long = "a".repeat(63);
  await client.query(`alter table patient_embeddings rename embedding to ${long};
    update autoembed.embedding_source set vector_column = '${long}';
    select autoembed.install_triggers(s) from autoembed.embedding_source s`);
  await change();
  const switched = await readModelChange(db, NAME);
  if (switched.state !== "switched") throw new Error(switched.state);
  expect(switched.previous.vectorColumn).toBe(`${"a".repeat(54)}_previous`);
  await rollBack(db, switched.live, switched.previous);
  const back = await readModelChange(db, NAME);
  if (back.state !== "building") throw new Error(back.state);
  await dropModel(db, back.next);
  await client.query(`alter table patient_embeddings rename ${long} to embedding;
    update autoembed.embedding_source set vector_column = 'embedding';
    select autoembed.install_triggers(s) from autoembed.embedding_source s`);
});

test("A rollback is refused while rows that came after the switch have no vector by the old model", async () => {
  const { client, change, db, listener, provider } = await prepareChange(5);
  await change();
  provider.poison = (text) => text === "came since";
  await client.query("insert into patient_embeddings values (1001, 'came since')");
  await listener.whenDrained();
  const now = await readModelChange(db, NAME);
  if (now.state !== "switched") throw new Error(now.state);
  await expect(rollBack(db, now.live, now.previous)).rejects.toThrow(/no vector of the old model/);
  expect(await notOfTheNewModel(client)).toEqual([]);
  await client.query("delete from patient_embeddings where patient_id = 1001");
});

/** recall@10 by the definition, for texts that all differ. */
function recallOf(texts: readonly string[]): number {
  const nearest = (text: string, dimensions: number) =>
    texts
      .filter((other) => other !== text)
      .map((other) => ({
        other,
        similarity: cosine(oracleVector(text, dimensions), oracleVector(other, dimensions)),
      }))
      .toSorted((a, b) => b.similarity - a.similarity)
      .slice(0, 10)
      .map(({ other }) => other);
  const found = texts.flatMap((text) => {
    const after = nearest(text, NEW_DIMENSIONS);
    return nearest(text, DIMENSIONS).map((other) => (after.includes(other) ? 1 : 0));
  });
  return found.reduce<number>((sum, one) => sum + one, 0) / found.length;
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * (y[i] ?? 0), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

describeNative("A model change blocks no user", "needs transactions that run at the same time", () => {
  test("A statement that another session has prepared works after the switch, and one that returns the vector has to be prepared again", async () => {
    const { database, change } = await prepareChange(10);
    const session = new pg.Client(database.url);
    await session.connect();
    try {
      const text =
        "select patient_id from patient_embeddings order by embedding <=> (select embedding from patient_embeddings where patient_id = 3) limit 1";
      const keys = { name: "keys", text };
      const vectors = {
        name: "vectors",
        text: "select embedding from patient_embeddings where patient_id = 3",
      };
      await session.query(keys);
      await session.query(vectors);
      await change();
      expect((await session.query(keys)).rows).toEqual([{ patient_id: "3" }]);
      await expect(session.query(vectors)).rejects.toMatchObject({ code: "0A000" });
      const { rows } = await session.query<{ embedding: string }>({
        ...vectors,
        name: "vectors, prepared anew",
      });
      expect(JSON.parse(rows[0]?.embedding ?? "[]")).toHaveLength(NEW_DIMENSIONS);
    } finally {
      await session.end();
    }
  });

  test("A pause after the embedding ends the change before anything is switched", async () => {
    const { client, database, db, begin, change } = await prepareChange(10);
    const pause = async () => {
      const now = await readModelChange(db, NAME);
      if (now.state === "building") await setPaused(db, now.next.name, true);
    };
    await begin();
    const reader = new pg.Client(database.url);
    await reader.connect();
    try {
      // A reader keeps the switch waiting until the pause is set.
      await reader.query("begin; select from patient_embeddings limit 1");
      const onSwitch = (step: string) => {
        if (step === "switching") void pause();
      };
      await expect(change({ model: null, onStep: onSwitch })).rejects.toThrow(/was paused/);
    } finally {
      await reader.end();
    }
    expect(await wrongRows(client)).toEqual([]);
    expect((await readModelChange(db, NAME)).state).toBe("building");
  });

  test("A change of the model and its rollback fail no user, delay no user, and hide no row", async () => {
    const { client, db, database, change, listener } = await prepareChange(200);
    const stop = new AbortController();
    let slowest = 0;
    let searches = 0;
    let writes = 0;
    const loop = async (work: (session: pg.Client) => Promise<void>) => {
      const session = new pg.Client(database.url);
      await session.connect();
      // An index returns the nearest rows and not all, and whether it is used is the planner's choice.
      await session.query("set enable_indexscan = off");
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
        running.catch(() => undefined); // thrown where it is awaited
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
      const now = await readModelChange(db, NAME);
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
    await listener.whenDrained();
    expect(await notOfTheNewModel(client)).toEqual([]);
    // Half a second is what the switch waits for the table at most; the rest is room for a busy machine.
    expect(slowest).toBeLessThan(5_000);
  });
});
