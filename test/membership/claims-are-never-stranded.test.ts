import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { claim } from "../../src/queue/claim.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { describeNative } from "../support/database.ts";
import { startHalfOpenProxy, through } from "../support/half-open-proxy.ts";
import { prepare, wrongRows } from "../support/listening.ts";
import { lendingOf } from "../support/test-lending.ts";

describeNative("A claim is never lost with its listener or its connection", "needs several sessions", () => {
  test("A claim whose answer was lost with its connection is freed by the listener that made it", async () => {
    const { client, database, listen } = await prepare();
    await listen();
    const other = await secondSession(database.url);

    // The claim waits for the locked queue when its connection is cut, and the queue looks as if the claim was committed.
    await other.query("begin; lock table autoembed.embedding_queue in access exclusive mode");
    await other.query("insert into patient_embeddings values (1, 'claimed by nobody who knows')");
    await other.query(
      "update autoembed.embedding_queue set owner = (select max(id) from autoembed.embedding_listener)",
    );
    await expect
      .poll(async () => (await client.query(`select pg_terminate_backend(pid) ${CLAIMING}`)).rowCount, OFTEN)
      .toBeGreaterThan(0);
    await other.query("commit");
    await expect
      .poll(async () => (await client.query("select from autoembed.embedding_queue")).rowCount, OFTEN)
      .toBe(0);

    expect(await wrongRows(client)).toEqual([]);
    // The old id is deregistered when no claim is left under it.
    await expect
      .poll(async () => (await client.query("select from autoembed.embedding_listener")).rowCount)
      .toBe(1);
  });

  test("A deregistered listener claims nothing under its old id, and goes on under a new id", async () => {
    const { client, listen } = await prepare();
    const listener = await listen();
    const before = await client.query<{ id: number }>(
      "delete from autoembed.embedding_listener returning id",
    );

    await client.query("insert into patient_embeddings values (1, 'whom nobody serves')");
    await listener.whenDrained(AbortSignal.timeout(30_000));

    expect(await wrongRows(client)).toEqual([]);
    const after = await client.query<{ id: number }>("select id from autoembed.embedding_listener");
    expect(after.rows).toHaveLength(1);
    expect(after.rows[0]?.id).not.toBe(before.rows[0]?.id);
  });

  test.each([
    ["among the oldest rows", 0],
    ["behind many postponed rows", 600],
  ])(
    "A claim %s whose answer had not come when its listener left is taken over within seconds",
    async (_where, rows) => {
      const { client, database, listen } = await prepare();
      const proxy = await startHalfOpenProxy(database.url);
      onTestFinished(() => proxy.close());
      const leaving = await listen({ DATABASE_URL: through(proxy, database.url), EMBED_SHUTDOWN_MS: "200" });
      await client.query(
        "insert into patient_embeddings select -n, 'put off ' || n from generate_series(1, $1::int) n",
        [rows],
      );
      await leaving.whenDrained(AbortSignal.timeout(20_000));
      const other = await secondSession(database.url);
      await other.query("begin; lock table autoembed.embedding_queue in access exclusive mode");
      await other.query("update patient_embeddings set context_text = context_text || '!'");
      await other.query("update autoembed.embedding_queue set not_before = now() + interval '50 seconds'");
      await other.query("insert into patient_embeddings values (1, 'claimed by one who left')");
      // A claim may have begun a little before this transaction, and treat the row as postponed.
      await other.query(
        "update autoembed.embedding_queue set not_before = now() - interval '1 minute' where key = '1'",
      );
      // The claim reaches the server and its answer is withheld, while the heartbeat's connection works.
      await expect
        .poll(async () => (await client.query(`select ${CLAIMING}`)).rowCount, OFTEN)
        .toBeGreaterThan(0);
      proxy.freeze(await portsOf(client, "%seen_at%"));
      await other.query("commit");
      const claimed = "select key from autoembed.embedding_queue where owner is not null";
      await expect
        .poll(async () => (await client.query<{ key: string }>(claimed)).rows)
        .toEqual([{ key: "1" }]);
      await listen();
      await leaving.stop();
      const left = performance.now();
      await expect.poll(() => wrongRows(client).then(isSettled), { timeout: 15_000 }).toBe(true);
      expect(performance.now() - left).toBeLessThan(8_000);
    },
  );

  test.each(["of an unregistered listener", "made after its listener was deregistered"])(
    "A claim %s is free again within seconds",
    async (what) => {
      const { client, listen } = await prepare();
      const early = what === "of an unregistered listener" ? undefined : await listen();
      await client.query(
        "update autoembed.embedding_source set paused = true; select pg_notify('autoembed', '')",
      );
      await client.query("insert into patient_embeddings values (1, 'claimed by nobody')");
      await client.query(
        "update autoembed.embedding_queue set owner = 2000000000; truncate autoembed.embedding_listener",
      );
      await client.query("update autoembed.embedding_source set paused = false");
      const listener = early ?? (await listen());
      await listener.whenDrained(AbortSignal.timeout(30_000));
      expect(await wrongRows(client)).toEqual([]);
    },
  );

  test("A claim that runs while its listener is deregistered is made before that, or not at all", async () => {
    const { client, database } = await prepare();
    await client.query("insert into patient_embeddings values (1, 'one')");
    const { rows } = await client.query<{ id: number }>(
      "insert into autoembed.embedding_listener (host, pid, version) values ('here', 1, '0') returning id",
    );
    const owner = rows[0]?.id ?? 0;
    const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
    onTestFinished(() => db.destroy());
    const [source] = (await loadSources(db)).usable;
    if (source === undefined) throw new Error("the migration watches a table");
    const leaving = await secondSession(database.url);
    await leaving.query("begin");
    await leaving.query("delete from autoembed.embedding_listener");
    const claimed = claim(db, source, {
      owner,
      limit: 10,
      head: 0n,
      tail: 1n << 60n,
      lending: lendingOf(source),
      maxCharacters: 100,
    });
    await expect
      .poll(async () => {
        const { rowCount } = await client.query(
          "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%for key share%'",
        );
        return rowCount;
      })
      .toBe(1);
    await leaving.query("commit");
    expect(await claimed).toEqual([]);
    expect(
      (await client.query("select from autoembed.embedding_queue where owner is not null")).rowCount,
    ).toBe(0);
  });

  test("A claim that a user's transaction keeps from being released is freed when the listener has gone", async () => {
    const { client, database, provider, listen } = await prepare();
    const listener = await listen({ EMBED_SHUTDOWN_MS: "0" });
    const user = await secondSession(database.url);
    provider.always("hang");
    await client.query("insert into patient_embeddings values (1, 'held when the listener left')");
    await expect
      .poll(
        async () =>
          (await client.query("select from autoembed.embedding_queue where owner is not null")).rowCount,
      )
      .toBe(1);

    await user.query("begin; update patient_embeddings set context_text = 'another'");
    await listener.stop();
    await user.query("rollback");
    provider.behave();
    const next = await listen();
    await next.whenDrained(AbortSignal.timeout(30_000));

    expect(await wrongRows(client)).toEqual([]);
  });

  test.each([
    ["fell silent", "{}", "0"],
    ["died while it woke, and still said asleep", '{"asleep": true}', "1 minute"],
  ])("A claim of a listener that %s is taken over within five seconds", async (_, state, ago) => {
    const { client, listen } = await prepare();
    await client.query(
      `insert into autoembed.embedding_listener (host, pid, version, state, seen_at)
       values ('elsewhere', 1, '0', $1, now() - $2::interval)`,
      [state, ago],
    );
    await client.query("insert into patient_embeddings values (1, 'claimed by the dead')");
    await client.query(
      "update autoembed.embedding_queue set owner = (select id from autoembed.embedding_listener)",
    );

    const started = performance.now();
    const listener = await listen();
    await listener.whenDrained(AbortSignal.timeout(30_000));

    // Five seconds, the start of a listener, and room for a busy machine.
    expect(performance.now() - started).toBeLessThan(12_000);
    expect(await wrongRows(client)).toEqual([]);
  });

  test("A claim is freed and a postponed row is due although the server's clock was set back by an hour", async () => {
    const { client, listen } = await prepare();
    await client.query(
      "insert into autoembed.embedding_listener (host, pid, version, seen_at) values ('elsewhere', 1, '0', now() + interval '1 hour')",
    );
    await client.query("insert into patient_embeddings values (1, 'from the future'), (2, 'due in an hour')");
    await client.query(
      "update autoembed.embedding_queue set owner = (select id from autoembed.embedding_listener) where key = '1'",
    );
    await client.query(
      "update autoembed.embedding_queue set not_before = now() + interval '1 hour' where key = '2'",
    );

    const listener = await listen();
    await listener.whenDrained(AbortSignal.timeout(30_000));

    expect(await wrongRows(client)).toEqual([]);
  });

  test("A claim survives a clock that jumps an hour ahead, by which every listener has been silent for long", async () => {
    const { client, provider, listen } = await prepare({ EMBED_BATCH_SIZE: "4" });
    const listeners = [await listen(), await listen()];
    provider.latencyMs = 300;
    await client.query("insert into patient_embeddings select n, 'row ' || n from generate_series(1, 60) n");
    await expect
      .poll(
        async () =>
          (await client.query("select from autoembed.embedding_queue where owner is not null")).rowCount,
      )
      .toBeGreaterThan(0);
    await client.query("update autoembed.embedding_listener set seen_at = seen_at - interval '1 hour'");
    await client.query("update autoembed.embedding_queue set not_before = not_before - interval '1 hour'");
    await listeners[0]?.whenDrained(AbortSignal.timeout(30_000));

    expect(await wrongRows(client)).toEqual([]);
    await expect
      .poll(async () => (await client.query("select from autoembed.embedding_reservation")).rowCount)
      .toBe(0);
  });
});

const OFTEN = { interval: 5 };

/** Claims that wait for a lock. */
const CLAIMING = `from pg_stat_activity where datname = current_database() and application_name = 'pg-autoembed'
  and wait_event_type = 'Lock' and query like '%registered as materialized%'`;

/** The client ports of the connections whose last statement matches the pattern. */
async function portsOf(client: pg.Client, statement: string): Promise<number[]> {
  const { rows } = await client.query<{ client_port: number }>(
    "select client_port from pg_stat_activity where datname = current_database() and application_name = 'pg-autoembed' and query like $1",
    [statement],
  );
  return rows.map(({ client_port }) => client_port);
}

/** Whether row 1 is right; the postponed rows may still be wrong. */
function isSettled(wrong: readonly string[]): boolean {
  return !wrong.includes("1");
}

async function secondSession(url: string): Promise<pg.Client> {
  const session = new pg.Client(url);
  await session.connect();
  onTestFinished(() => session.end());
  return session;
}
