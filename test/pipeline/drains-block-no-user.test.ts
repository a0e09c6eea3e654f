import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { beginBackfills } from "../support/begin-backfills.ts";
import { describeNative } from "../support/database.ts";
import { prepare, wrongRows } from "../support/listening.ts";

/** Age in ms of each of our transactions that a user waits for now. */
const WAITED_FOR = `
  select 1000 * extract(epoch from clock_timestamp() - ours.xact_start)::float8 as ms
  from pg_stat_activity waiting
  join pg_stat_activity ours on ours.pid = any(pg_blocking_pids(waiting.pid))
  where waiting.datname = current_database() and waiting.application_name = 'user' and waiting.wait_event_type = 'Lock'
    and ours.application_name = 'pg-autoembed'`;

const WATCHED_MS = 3_000;

describeNative("Draining the queue blocks no user", "needs several sessions", () => {
  test("A row that a user holds stays pending without spinning, and is embedded once it is free", async () => {
    const { client, database, provider, listen } = await prepare();
    const listener = await listen();
    const [user] = await sessions(database.url, 1);
    await client.query("insert into patient_embeddings values (1, 'mine'), (2, 'anybody''s')");
    await listener.whenDrained();
    // The user locks the row before there is a vector to write.
    provider.latencyMs = 1_000;
    await client.query("update patient_embeddings set context_text = context_text || '!'");
    await user?.query("begin; select from patient_embeddings where patient_id = 1 for update");
    await expect
      .poll(
        async () => (await client.query<{ key: string }>("select key from autoembed.embedding_queue")).rows,
      )
      .toEqual([{ key: "1" }]);
    // The listener finds the row locked four more times. One that spins would do so within milliseconds.
    const since = performance.now();
    for (let i = 0; i < 4; i++) await new Promise((resolve) => listener.events.once("released", resolve));
    expect(performance.now() - since).toBeGreaterThan(3 * 200);

    await user?.query("commit");
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect(await wrongRows(client)).toEqual([]);
  });

  test("While a provider hangs, no user waits for more than one short write of a listener", async () => {
    const { client, database, provider, listen } = await prepare({
      EMBED_BATCH_SIZE: "8",
      EMBED_SHUTDOWN_MS: "200",
    });
    await client.query("insert into patient_embeddings select n, 'row ' || n from generate_series(1, 40) n");
    const listeners = [await listen({ EMBED_MAX_CONCURRENCY: "4" }), await listen()];
    await listeners[0]?.whenDrained();
    const users = await sessions(database.url, 4);
    const [watcher] = await sessions(database.url, 1);
    for (const user of users) await user.query("set application_name = 'user'");
    // Some requests hang and the others are answered, so that claims and write-backs go on.
    const hanging = setInterval(() => {
      provider.next("hang");
    }, 600);
    onTestFinished(() => {
      clearInterval(hanging);
    });
    const working = { now: true };
    const work = Promise.all(
      users.map(async (user, u) => {
        for (let i = 0; working.now; i++) {
          const key = 1 + ((7 * i + 11 * u) % 40);
          await user.query("update patient_embeddings set context_text = $2 where patient_id = $1", [
            key,
            `${u} ${i}`,
          ]);
        }
      }),
    );
    let longest = 0;
    const begun = performance.now();
    while (performance.now() - begun < WATCHED_MS) {
      const { rows } = (await watcher?.query<{ ms: number }>(WAITED_FOR)) ?? { rows: [] };
      longest = Math.max(longest, ...rows.map(({ ms }) => ms));
      const open = await watcher?.query(
        "select from pg_stat_activity where datname = current_database() and application_name = 'pg-autoembed' and state like 'idle in transaction%'",
      );
      expect(open?.rowCount).toBe(0);
    }
    working.now = false;
    await work;

    // A user who waited for a hanging call would wait until the end. A write takes milliseconds, more where the disk is busy.
    expect(longest).toBeLessThan(WATCHED_MS / 2);
    expect(provider.requests.length).toBeGreaterThan(5);
  });

  test("Users who update many rows in opposite orders never deadlock with a listener", async () => {
    const { client, database, listen } = await prepare();
    const listener = await listen({ EMBED_MAX_CONCURRENCY: "4", EMBED_BATCH_SIZE: "16" });
    await client.query("insert into patient_embeddings select n, 'row ' || n from generate_series(1, 200) n");
    const users = await sessions(database.url, 4);
    // A deadlock is a matter of chance. This tests that none comes in four seconds, in which the naive lock order had 12.
    const ending = Date.now() + 4_000;

    const failures = await Promise.all(
      users.map(async (user, u) => {
        const failed: string[] = [];
        // Each user has its own rows, so that no two users can deadlock; the listener meets all of them.
        const own = Array.from({ length: 50 }, (_, i) => 50 * u + i + 1);
        for (let round = 0; Date.now() < ending; round++) {
          const keys = round % 2 === 0 ? own : own.toReversed();
          try {
            await user.query("begin");
            await user.query("set local deadlock_timeout = '50ms'");
            for (const key of keys) {
              await user.query("update patient_embeddings set context_text = $2 where patient_id = $1", [
                key,
                `row ${key} round ${round % 7}`,
              ]);
            }
            await user.query("commit");
          } catch (error) {
            failed.push(error instanceof pg.DatabaseError ? (error.code ?? "") : String(error));
            await user.query("rollback");
          }
        }
        return failed;
      }),
    );
    await listener.whenDrained(AbortSignal.timeout(30_000));

    expect(failures.flat()).toEqual([]);
    expect(await wrongRows(client)).toEqual([]);
  });

  test("TRUNCATE, ALTER TABLE, VACUUM FULL and REINDEX pass during a drain, and every row ends with the right vector", async () => {
    const { client, provider, listen } = await prepare();
    const listener = await listen({ EMBED_BATCH_SIZE: "16", EMBED_MAX_CONCURRENCY: "2" });
    provider.latencyMs = 30;
    const insert = "insert into patient_embeddings select n, 'row ' || n from generate_series(1, 600) n";
    for (const statement of [
      "truncate patient_embeddings",
      "alter table patient_embeddings add column note text",
      "vacuum full patient_embeddings",
      "vacuum full autoembed.embedding_queue",
      "reindex table patient_embeddings",
      "alter table patient_embeddings drop column note",
    ]) {
      // The event may come before the insert's own answer. The texts differ each time, so that there is something to embed.
      const embedded = new Promise((resolve) => listener.events.once("embedded", resolve));
      await client.query(
        `${insert} on conflict (patient_id) do update set context_text = excluded.context_text || ' ${statement}'`,
      );
      await embedded;
      const started = performance.now();
      await client.query(statement);
      expect(performance.now() - started).toBeLessThan(10_000);
    }
    await listener.whenDrained(AbortSignal.timeout(30_000));

    expect(await wrongRows(client)).toEqual([]);
  });

  test("A backfill does not wait for a user who holds a row, and embeds that row later", async () => {
    const { client, database, listen } = await prepare();
    await client.query("alter table patient_embeddings disable trigger user");
    await client.query("insert into patient_embeddings select n, 'row ' || n from generate_series(1, 50) n");
    await client.query("alter table patient_embeddings enable trigger user");
    const [user] = await sessions(database.url, 1);
    await user?.query("begin; update patient_embeddings set context_text = 'held' where patient_id = 25");

    await beginBackfills(database.url);
    const listener = await listen();
    const embedded = "select from patient_embeddings where embedding is not null";
    await expect.poll(async () => (await client.query(embedded)).rowCount).toBe(49);
    await user?.query("rollback");
    await listener.whenDrained(AbortSignal.timeout(30_000));
    expect(await wrongRows(client)).toEqual([]);
  });
});

async function sessions(url: string, count: number): Promise<pg.Client[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const session = new pg.Client(url);
      await session.connect();
      onTestFinished(() => session.end());
      return session;
    }),
  );
}
