import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { showProgress } from "../../src/backfill/progress.ts";
import { changeModel, type ModelChangeOptions } from "../../src/model-change/change-model.ts";
import { readModelChange } from "../../src/model-change/model-change-state.ts";
import { dropModel } from "../../src/model-change/drop-model.ts";
import { rollBack } from "../../src/model-change/switch.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS } from "../support/listening.ts";
import { oracleVector, startProviderServer } from "../support/provider-server.ts";
import { prepareVectorTable, wrongVectors } from "../support/vector-table.ts";

vi.setConfig({ testTimeout: 180_000 });

const WAIT = { timeout: 30_000, interval: 50 };

async function prepareChange() {
  const apart = await prepareVectorTable();
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
  await listener.whenDrained();
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
  await listener.whenDrained();
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

describeNative("A model change keeps the view whole", "needs several sessions", () => {
  test("A change of the model fails no writer and no reader of the view, and hides no row from them", async () => {
    const { client, database, db, listen, change } = await prepareChange();
    const listener = await listen();
    await client.query(
      "insert into app.documents select n, 't', 'text ' || n from generate_series(1, 100) n",
    );
    await listener.whenDrained();
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
    await listener.whenDrained();
    expect(await wrongVectors(client)).toEqual([]);
    // Half a second is what the switch waits for the tables at most; the rest is room for a busy machine.
    expect(slowest).toBeLessThan(5_000);
  });
});

async function session(url: string): Promise<pg.Client> {
  const opened = new pg.Client(url);
  await opened.connect();
  onTestFinished(() => opened.end());
  return opened;
}

test("A column of halfvec that somebody chose for short vectors is replaced by one of halfvec", async () => {
  const { client, watched, change } = await prepareChange();
  await client.query(`drop view ${watched.view ?? ""}`);
  await client.query(
    `alter table app.documents_embeddings alter column embedding type halfvec(${DIMENSIONS})`,
  );
  await client.query("insert into app.documents values (1, 't', 'a text')");

  expect(await change()).toMatchObject({ failed: 0 });

  const { rows } = await client.query<{ type: string; dimensions: number }>(
    "select pg_typeof(embedding)::text as type, vector_dims(embedding) as dimensions from app.documents_embeddings",
  );
  expect(rows).toEqual([{ type: "halfvec", dimensions: 12 }]);
});
