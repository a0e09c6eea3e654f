import { sql } from "kysely";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { pruneCache } from "../../src/cache/prune-cache.ts";
import { connect } from "../../src/database/connect.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { describeNative } from "../support/database.ts";
import { notOfTheNewModel, prepareChange } from "../support/changing-model.ts";
import { prepare } from "../support/listening.ts";

test("A deleted row leaves the queue at once, and prune removes the cached vectors that no row's text has", async () => {
  const { client, database, provider, listen } = await prepare();
  const listener = await listen();
  await client.query(
    "insert into patient_embeddings values (1, 'stays'), (2, 'goes'), (3, 'goes too, later')",
  );
  await listener.whenDrained();
  await listener.stop();
  await client.query(
    "update autoembed.embedding_cache set created_at = now() - interval '100 days' where text_hash = sha256('goes')",
  );
  await client.query("insert into patient_embeddings values (4, 'never embedded')");
  await client.query("delete from patient_embeddings where patient_id > 1");
  expect((await client.query("select from autoembed.embedding_queue")).rowCount).toBe(0);

  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  try {
    const { usable } = await loadSources(db);
    expect(await pruneCache(db, usable, 90)).toBe(1);
    expect(await pruneCache(db, usable, 0)).toBe(1);
    expect(await pruneCache(db, usable, 0)).toBe(0);
  } finally {
    await db.destroy();
  }
  const { rows } = await client.query(
    "select text_hash = sha256('stays') as stays from autoembed.embedding_cache",
  );
  expect(rows).toEqual([{ stays: true }]);

  const requests = provider.counts.inputs;
  await client.query("insert into patient_embeddings values (5, 'stays'), (6, 'goes')");
  await (await listen()).whenDrained();
  expect(provider.requests.slice(-1)[0]?.texts).toEqual(["goes"]);
  expect(provider.counts.inputs).toBeGreaterThan(requests);
});

describeNative("Prune removes no vector that a listener has just made", "needs two sessions at once", () => {
  test("Prune removes no vector that a change of the model has made or needs, of either model", async () => {
    const { client, database, theirs, change } = await prepareChange(100);
    theirs.latencyMs = 50;
    const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: false });
    onTestFinished(() => db.destroy());
    const under = { isOver: false };
    const changed = change().finally(() => (under.isOver = true));
    let prunings = 0;
    for (; !under.isOver; prunings++) {
      const { usable, broken } = await loadSources(db);
      expect(broken).toEqual([]);
      expect(await pruneCache(db, usable, 0)).toBe(0);
    }
    expect(await changed).toMatchObject({ failed: 0 });
    expect(prunings).toBeGreaterThan(1);
    expect(await notOfTheNewModel(client)).toEqual([]);
    const { rows } = await client.query<{ vectors: number }>(
      "select count(*)::int as vectors from autoembed.embedding_cache group by model",
    );
    expect(rows).toEqual([{ vectors: 100 }, { vectors: 100 }]);
    const texts = theirs.requests
      .flatMap((request) => request.texts)
      .filter((text) => text.startsWith("text "));
    expect(texts).toHaveLength(100);
  });

  test("Prune keeps a vector that is made while it reads the texts", async () => {
    const { client, database, listen } = await prepare();
    await client.query(`drop table if exists notes;
      create table notes (id int primary key, body text, embedding vector(8));
      select autoembed.watch('notes', 'body')`);
    const listener = await listen();
    const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: false });
    onTestFinished(() => db.destroy());
    const { usable } = await loadSources(db);
    const { rows: own } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db);
    const holding = new pg.Client(database.url);
    await holding.connect();
    onTestFinished(() => holding.end());
    await holding.query("begin; lock table notes in access exclusive mode");

    // The prune has read the patients' texts, and waits for those of the notes.
    const pruning = pruneCache(db, usable, 0);
    await expect
      .poll(async () => {
        const { rowCount } = await client.query(
          "select from pg_locks where not granted and relation = 'notes'::regclass and pid = $1",
          [own[0]?.pid],
        );
        return rowCount;
      })
      .toBe(1);
    await client.query("insert into patient_embeddings values (1, 'came meanwhile')");
    await expect
      .poll(
        async () =>
          (await client.query("select from patient_embeddings where embedding is not null")).rowCount,
      )
      .toBe(1);
    await holding.query("rollback");

    expect(await pruning).toBe(0);
    await listener.stop();
    expect(
      (await client.query("select from autoembed.embedding_cache where text_hash = sha256('came meanwhile')"))
        .rowCount,
    ).toBe(1);
  });
});
