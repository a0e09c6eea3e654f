import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { clearVector } from "../../src/queue/clear-vector.ts";
import type { HeldRow } from "../../src/queue/held-rows.ts";
import { describeNative } from "../support/database.ts";
import { DOCUMENTS, INTO, keysOfVectors, prepareVectorTable, wrongVectors } from "../support/vector-table.ts";
import { find } from "../support/searching.ts";

vi.setConfig({ testTimeout: 180_000 });

const WAIT = { timeout: 30_000, interval: 50 };

test("A statement that was made before the vectors got their own table clears no vector", async () => {
  const { client, db, watched, watchAgain, source } = await prepareVectorTable(DOCUMENTS, {
    ...INTO,
    into: undefined,
  });
  expect(watched).toMatchObject({ into: null, view: null });
  const before = await source();
  await client.query("insert into app.documents values (1, 'a', 'one')");
  await client.query("update app.documents set body = '' where id = 1");
  await watchAgain({ into: "documents_embeddings" });
  const { rows } = await client.query<HeldRow>("select ticket, ctid, key from autoembed.embedding_queue");
  expect(await clearVector(db, before, rows)).toEqual([]);
  expect(await clearVector(db, await source(), rows)).toEqual(
    rows.map(({ ticket }) => ({ ticket, written: true })),
  );
});

test("A text expression that raises for one row fails that row alone, and no search, where vectors have their own table", async () => {
  const { client, listen, db } = await prepareVectorTable(DOCUMENTS, {
    ...INTO,
    text: "body || (10 / id)",
  });
  const listener = await listen();
  await client.query(
    "insert into app.documents values (0, 'a', 'raises'), (2, 'b', 'two '), (5, 'c', 'five ')",
  );
  await listener.whenDrained();
  expect(await keysOfVectors(client)).toEqual(["2", "5"]);
  const failed = await client.query("select key from autoembed.embedding_queue where failed_at is not null");
  expect(failed.rows).toEqual([{ key: "0" }]);
  const [best] = await find(db, "docs", "five 2", { limit: 1, withText: true });
  expect(best).toMatchObject({ key: "5", text: "five 2" });
});

describeNative("Vectors in their own table stay right while users write", "needs several sessions", () => {
  test("A text that changes in flight never keeps its old vector in a table of vectors, and no user waits for the call", async () => {
    const { client, provider, listen } = await prepareVectorTable();
    const listener = await listen();
    provider.latencyMs = 3_000;
    await client.query("insert into app.documents values (1, 'a', 'before'), (2, 'b', 'deleted in flight')");
    const call = () => provider.requests.find(({ texts }) => texts.includes("before"));
    await expect.poll(call).toBeDefined();
    await client.query("update app.documents set body = 'after' where id = 1");
    await client.query("delete from app.documents where id = 2");
    expect(call()?.status).toBe(0); // not answered yet
    provider.latencyMs = 0;
    await listener.whenDrained();
    expect(await wrongVectors(client)).toEqual([]);
    expect(await keysOfVectors(client)).toEqual(["1"]);
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
      const { client, database, listen } = await prepareVectorTable();
      const listener = await listen();
      await client.query("insert into app.documents values (1, 'a', 'one'), (2, 'b', 'two'), (3, 'c', null)");
      await listener.whenDrained();
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
      // A listener that waited for this user while it holds the watched row would make this statement wait too: a deadlock.
      await user.query("set lock_timeout = '500ms'");
      await user.query(`update app.documents set title = 'mine' where id = ${key}`);
      await user.query("commit");
      await listener.whenDrained(AbortSignal.timeout(30_000));
      expect(await wrongVectors(client)).toEqual([]);
    },
  );

  test("Users who write the watched table and the table of vectors in any order see no deadlock, and every row ends right", async () => {
    const { client, database, listen } = await prepareVectorTable();
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
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect(failures.flat()).toEqual([]);
    expect(await wrongVectors(client)).toEqual([]);
  });
});

/** What users do to their own rows: `$1` is the key, `$2` a number. No statement leaves a wrong vector behind. */
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
