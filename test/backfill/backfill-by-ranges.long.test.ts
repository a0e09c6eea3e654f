import pg from "pg";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { endPage } from "../../src/pages/end-page.ts";
import { takePage } from "../../src/pages/take-page.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { beginBackfills } from "../support/begin-backfills.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare, wrongRows, type Listening } from "../support/listening.ts";
import { startProcess } from "../support/start-process.ts";

vi.setConfig({ testTimeout: 120_000 });

/** More than two pages. */
const ROWS = 2_200;
const TEXT = "'text ' || n";

/** Rows that no trigger has queued. */
async function fill({ client }: Listening, rows: number, text = TEXT): Promise<void> {
  await client.query("alter table patient_embeddings disable trigger user");
  await client.query(`insert into patient_embeddings select n, ${text} from generate_series(1, ${rows}) n`);
  await client.query("alter table patient_embeddings enable trigger user");
}

async function backfill({ environment }: Listening, ...args: string[]): Promise<Record<string, unknown>> {
  const command = runCommand(["backfill", "--json", ...args], environment);
  expect(await command.exited, command.stderr()).toBe(0);
  return JSON.parse(command.stdout()) as Record<string, unknown>;
}

const count = async ({ client }: Listening, from: string): Promise<number> =>
  (await client.query(`select from ${from}`)).rowCount ?? 0;

describe("The keys of a backfill", () => {
  test.each([
    ["two columns, of which the first has few values", "a int, id bigint, primary key (a, id)", "n % 3, n"],
    ["a uuid", "id uuid primary key", "md5(n::text)::uuid"],
    [
      "texts with quotes, braces and nothing in them",
      "id text primary key",
      `case n when 1 then '' else n % 7 || '{"\\,}' || n end`,
    ],
    ["a column of a collation of its own", `id text collate "C" primary key`, "chr(65 + n % 50) || n"],
    [
      "a numeric and a timestamp",
      "id numeric, at timestamptz, primary key (at, id)",
      "n / 7.0, now() - n * interval '1 h'",
    ],
    ["negative and large numbers", "id bigint primary key", "(n - 1000) * 9000000000"],
  ])("%s", async (_, columns, values) => {
    const on = await prepare();
    await on.client.query(`drop schema if exists app cascade; create schema app;
      create table app.keyed (${columns}, body text, embedding vector(${DIMENSIONS}))`);
    await on.client.query("select autoembed.watch('app.keyed', 'body')");
    await on.client.query("alter table app.keyed disable trigger user");
    await on.client.query(
      `insert into app.keyed select ${values}, ${TEXT} from generate_series(1, ${ROWS}) n`,
    );
    await on.client.query("alter table app.keyed enable trigger user");
    expect(await backfill(on, "--source", "app.keyed")).toMatchObject({
      done: ROWS,
      total: ROWS,
      pending: 0,
      failed: 0,
    });
    const keyed = "(select body as patient_id, body as context_text, embedding from app.keyed) k";
    expect(await wrongRows(on.client, keyed)).toEqual([]);
    expect(on.provider.counts.inputs).toBeLessThan(ROWS + 5);
  });

  test("partitions", async () => {
    const on = await prepare();
    await on.client.query(`drop schema if exists app cascade; create schema app;
      create table app.parts (id int primary key, body text, embedding vector(${DIMENSIONS})) partition by hash (id);
      create table app.parts0 partition of app.parts for values with (modulus 2, remainder 0);
      create table app.parts1 partition of app.parts for values with (modulus 2, remainder 1);
      insert into app.parts select n, ${TEXT} from generate_series(1, ${ROWS}) n;
      select autoembed.watch('app.parts', 'body'); truncate autoembed.embedding_queue`);
    expect(await backfill(on, "--source", "app.parts")).toMatchObject({ done: ROWS, pending: 0, failed: 0 });
    const parts = "(select id as patient_id, body as context_text, embedding from app.parts) p";
    expect(await wrongRows(on.client, parts)).toEqual([]);
  });
});

test("A backfill queues nothing: its state is a cursor and the pages that are being embedded", async () => {
  const on = await prepare();
  await fill(on, ROWS);
  await beginBackfills(on.database.url);
  on.provider.latencyMs = 20;
  const listener = await on.listen();
  const seen = { queued: 0, pages: 0 };
  const drained = listener.whenDrained(AbortSignal.timeout(60_000));
  for (let isDone = false; !isDone;) {
    seen.queued = Math.max(seen.queued, await count(on, "autoembed.embedding_queue"));
    seen.pages = Math.max(seen.pages, await count(on, "autoembed.embedding_page"));
    isDone = await Promise.race([
      drained.then(() => true),
      new Promise<false>((resolve) => setTimeout(resolve, 10, false)),
    ]);
  }
  expect(seen.queued).toBe(0);
  expect(seen.pages).toBeGreaterThan(0);
  expect(seen.pages).toBeLessThan(5);
  expect(await count(on, "autoembed.embedding_backfill")).toBe(0);
  expect(await wrongRows(on.client)).toEqual([]);
});

test("A backfill that no listener works on waits for one, and `status` tells of it", async () => {
  const on = await prepare();
  await fill(on, 5);
  await beginBackfills(on.database.url);
  const status = runCommand(["status"], on.environment);
  await status.exited;
  expect(status.stdout()).toContain("patient_embeddings: a backfill is under way, 0 rows are done");
  const listener = await on.listen();
  await listener.whenDrained(AbortSignal.timeout(30_000));
  expect(await wrongRows(on.client)).toEqual([]);
  const later = runCommand(["status", "--json"], on.environment);
  await later.exited;
  expect(JSON.parse(later.stdout())).toMatchObject({ sources: [{ current: 5, backfilled: null }] });
});

test("Rows that change, come and go during a backfill have the vectors of their last texts", async () => {
  const on = await prepare();
  await fill(on, ROWS);
  on.provider.latencyMs = 30;
  const done = backfill(on);
  for (let n = 1; n < 60; n++) {
    await on.client.query(
      "update patient_embeddings set context_text = 'changed ' || $1 where patient_id = $2",
      [n, (n * 769) % ROWS],
    );
    await on.client.query("delete from patient_embeddings where patient_id = $1", [(n * 337) % ROWS]);
    await on.client.query("insert into patient_embeddings values ($1, 'new ' || $1::bigint)", [ROWS + n]);
    await on.client.query("update patient_embeddings set context_text = ' ' where patient_id = $1", [
      (n * 523) % ROWS,
    ]);
  }
  expect(await done).toMatchObject({ failed: 0, pending: 0 });
  expect(await wrongRows(on.client)).toEqual([]);
});

test("A row that the provider refuses becomes a failed row of the queue, and can be retried", async () => {
  const on = await prepare();
  on.provider.poison = (text) => text === "text 700";
  await fill(on, ROWS);
  const command = runCommand(["backfill", "--json"], on.environment);
  expect(await command.exited).toBe(1);
  expect(JSON.parse(command.stdout())).toMatchObject({ done: ROWS, failed: 1, pending: 0 });
  const failed = await on.client.query(
    "select key, owner, failed_at is not null as failed from autoembed.embedding_queue",
  );
  expect(failed.rows).toEqual([{ key: "700", owner: null, failed: true }]);
  expect(await wrongRows(on.client)).toEqual(["700"]);
  on.provider.poison = undefined;
  const listener = await on.listen();
  expect(await runCommand(["retry"], on.environment).exited).toBe(0);
  await listener.whenDrained(AbortSignal.timeout(30_000));
  expect(await wrongRows(on.client)).toEqual([]);
});

test("A backfill that is begun again while it runs reads the whole table once more, and each text is sent once", async () => {
  const on = await prepare();
  await fill(on, ROWS);
  on.provider.latencyMs = 20;
  await beginBackfills(on.database.url);
  const listener = await on.listen();
  await expect.poll(() => on.provider.counts.inputs).toBeGreaterThan(1_200);
  // Behind the cursor, and unseen by any trigger.
  await on.client.query(
    "alter table patient_embeddings disable trigger user; update patient_embeddings set embedding = null where patient_id <= 5",
  );
  await on.client.query("alter table patient_embeddings enable trigger user");
  await beginBackfills(on.database.url);
  await listener.whenDrained(AbortSignal.timeout(60_000));
  expect(await wrongRows(on.client)).toEqual([]);
  expect(await count(on, "autoembed.embedding_queue")).toBe(0);
  expect(on.provider.counts.inputs).toBeLessThan(ROWS + 10);
});

test("A backfill of all rows embeds what another tool made, and one without it leaves that alone", async () => {
  const on = await prepare();
  await fill(on, 10);
  await on.client.query(
    "alter table patient_embeddings disable trigger user; update patient_embeddings set embedding = '[9,0,0,0,0,0,0,0]'",
  );
  await on.client.query("alter table patient_embeddings enable trigger user");
  expect(await backfill(on, "--all")).toMatchObject({ done: 10 });
  expect(await wrongRows(on.client)).toEqual([]);
  await on.client.query(
    "truncate autoembed.embedding_ledger; update patient_embeddings set embedding = '[9,0,0,0,0,0,0,0]'",
  );
  expect(await backfill(on)).toMatchObject({ done: 0 });
  expect(await wrongRows(on.client)).toHaveLength(10);
});

test("Queued rows are embedded although no page can be read", async () => {
  const on = await prepare();
  await fill(on, 5);
  await beginBackfills(on.database.url);
  await on.client.query("update autoembed.embedding_backfill set position = '{no number}'");
  const listener = await on.listen();
  await on.client.query(
    "insert into patient_embeddings select n, 'changed ' || n from generate_series(11, 15) n",
  );
  const current = "patient_embeddings where patient_id > 10 and embedding is not null";
  await expect.poll(() => count(on, current)).toBe(5);
  expect(await count(on, "autoembed.embedding_queue")).toBe(0);
  await on.client.query("update autoembed.embedding_backfill set position = null");
  await listener.whenDrained(AbortSignal.timeout(30_000));
  expect(await wrongRows(on.client)).toEqual([]);
});

test("After a page with nothing to embed the next ones are larger", async () => {
  const on = await prepare();
  await fill(on, 7_000);
  await on.client.query(
    `update patient_embeddings set embedding = array_fill(1, array[${DIMENSIONS}])::vector where patient_id <= 6500`,
  );
  await on.client.query("alter sequence autoembed.embedding_page_id_seq restart");
  expect(await backfill(on)).toMatchObject({ done: 500, pending: 0 });
  const { rows } = await on.client.query(
    "select last_value::int as pages from autoembed.embedding_page_id_seq",
  );
  // 1,024 rows, 4,096, and the rest in one.
  expect(rows).toEqual([{ pages: 3 }]);
});

test("A page that was read for a source that has changed is given back, and read again", async () => {
  const on = await prepare();
  await fill(on, 5);
  await beginBackfills(on.database.url);
  const db = connect({ databaseUrl: on.database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const [source] = await chooseSources(db, "patient_embeddings");
  if (source === undefined) throw new Error("no source");
  const { rows } = await on.client.query<{ id: number }>(
    "insert into autoembed.embedding_listener (host, pid, version) values ('here', 1, '0') returning id",
  );
  const owner = rows[0]?.id ?? 0;
  const page = await takePage(db, source, { owner, held: [] });
  if (page === undefined) throw new Error("no page");
  expect(await takePage(db, source, { owner, held: [page.id] })).toBeUndefined();
  await endPage(
    db,
    { ...source, textExpression: "what it was" },
    { id: page.id, owner, done: 0, againInMs: null },
  );
  expect((await on.client.query("select owner from autoembed.embedding_page")).rows).toEqual([
    { owner: null },
  ]);
  await on.client.query("delete from autoembed.embedding_listener");
  const listener = await on.listen();
  await listener.whenDrained(AbortSignal.timeout(30_000));
  expect(await wrongRows(on.client)).toEqual([]);
});

test("A backfill that is interrupted says that rows are pending, and a listener goes on with it", async () => {
  const on = await prepare({ EMBED_BATCH_SIZE: "16" });
  await fill(on, ROWS);
  on.provider.latencyMs = 60;
  const command = runCommand(["backfill", "--json"], on.environment);
  await expect.poll(() => on.provider.counts.inputs).toBeGreaterThan(100);
  command.process.kill("SIGINT");
  expect(await command.exited).toBe(1);
  const { pending } = JSON.parse(command.stdout()) as { pending: number };
  expect(pending).toBeGreaterThan(0);
  on.provider.latencyMs = 0;
  const listener = await on.listen();
  await listener.whenDrained(AbortSignal.timeout(60_000));
  expect(await wrongRows(on.client)).toEqual([]);
});

test("A backfill of all rows leaves alone what was embedded since it began", async () => {
  const on = await prepare();
  await fill(on, 1_500);
  await backfill(on);
  await on.client.query("update autoembed.embedding_ledger set embedded_at = now() - interval '1 day'");
  await beginBackfills(on.database.url, true);
  await on.client.query(
    "update autoembed.embedding_ledger set embedded_at = now() + interval '1 day' where key::bigint > 100",
  );
  const listener = await on.listen();
  await listener.whenDrained(AbortSignal.timeout(60_000));
  const since = "autoembed.embedding_ledger where embedded_at between now() - interval '1 hour' and now()";
  expect(await count(on, since)).toBe(100);
});

describeNative("Several processes", "need a server that outlives them", () => {
  test("A killed process's pages are taken over within five seconds, and nothing is paid for again but what was in flight", async () => {
    const on = await prepare({ EMBED_BATCH_SIZE: "32", EMBED_MAX_CONCURRENCY: "2" });
    await fill(on, ROWS);
    on.provider.latencyMs = 40;
    const first = await startProcess(on);
    await beginBackfills(on.database.url);
    await expect.poll(() => on.provider.counts.inputs).toBeGreaterThan(300);
    await startProcess(on);
    first.process.kill("SIGKILL");
    await first.exited;
    const killed = performance.now();
    const { rows } = await on.client.query<{ owner: number }>(
      "select min(owner) as owner from autoembed.embedding_page",
    );
    const owner = rows[0]?.owner ?? 0;
    await expect.poll(() => count(on, `autoembed.embedding_page where owner = ${owner}`)).toBe(0);
    expect(performance.now() - killed).toBeLessThan(10_000);
    await expect.poll(() => count(on, "autoembed.embedding_backfill")).toBe(0);
    expect(await wrongRows(on.client)).toEqual([]);
    expect(on.provider.counts.inputs).toBeLessThan(ROWS + 5 + 6 * 32);
  });

  test("Two processes share the pages, and no text is sent by both", async () => {
    const on = await prepare({ EMBED_BATCH_SIZE: "32" });
    await fill(on, ROWS);
    on.provider.latencyMs = 40;
    await startProcess(on, { OPENAI_API_KEY: "one" });
    await startProcess(on, { OPENAI_API_KEY: "two" });
    await beginBackfills(on.database.url);
    await expect.poll(() => count(on, "autoembed.embedding_backfill")).toBe(0);
    expect(await wrongRows(on.client)).toEqual([]);
    const by = (key: string): number =>
      on.provider.requests.filter(({ headers }) => headers.authorization === `Bearer ${key}`).length;
    expect(by("one")).toBeGreaterThan(5);
    expect(by("two")).toBeGreaterThan(5);
    expect(on.provider.counts.inputs).toBeLessThan(ROWS + 5);
  });

  test("A row that a user holds against deletion is not paid for with every try", async () => {
    const on = await prepare();
    await fill(on, 20);
    const user = new pg.Client(on.database.url);
    await user.connect();
    onTestFinished(() => user.end());
    await user.query("begin; select from patient_embeddings where patient_id = 7 for update");
    const done = backfill(on);
    const given = "autoembed.embedding_page where attempts >= 4";
    await expect.poll(() => count(on, given)).toBe(1);
    expect(on.provider.counts.inputs).toBeLessThan(20 + 3);
    await user.query("rollback");
    expect(await done).toMatchObject({ pending: 0, failed: 0 });
    expect(await wrongRows(on.client)).toEqual([]);
  });

  test("While the last page waits for a locked row, the listeners do not wake one another again and again", async () => {
    const on = await prepare();
    await fill(on, 20);
    const user = new pg.Client(on.database.url);
    await user.connect();
    onTestFinished(() => user.end());
    await user.query("begin; select from patient_embeddings where patient_id = 7 for update");
    await beginBackfills(on.database.url);
    const listener = await on.listen();
    await expect.poll(() => count(on, "autoembed.embedding_page where attempts >= 2")).toBe(1);
    let notified = 0;
    on.client.on("notification", () => notified++);
    await on.client.query("listen autoembed");
    await expect.poll(() => count(on, "autoembed.embedding_page where attempts >= 4")).toBe(1);
    expect(notified).toBeLessThan(5);
    await user.query("rollback");
    await listener.whenDrained(AbortSignal.timeout(60_000));
    expect(await wrongRows(on.client)).toEqual([]);
  });

  test("A table that is watched by another key half-way is read again by that key", async () => {
    const on = await prepare({ EMBED_BATCH_SIZE: "32" });
    await on.client.query(`drop schema if exists app cascade; create schema app;
      create table app.moved (id int primary key, other text not null unique, body text, embedding vector(${DIMENSIONS}));
      insert into app.moved select n, 'k' || (n * 7919) % 100003, ${TEXT} from generate_series(1, ${ROWS}) n;
      select autoembed.watch('app.moved', 'body'); truncate autoembed.embedding_queue`);
    on.provider.latencyMs = 30;
    await beginBackfills(on.database.url);
    await startProcess(on);
    await expect.poll(() => on.provider.counts.inputs).toBeGreaterThan(300);
    await on.client.query("select autoembed.watch('app.moved', 'body', key_columns => array['other'])");
    await expect.poll(() => count(on, "autoembed.embedding_backfill")).toBe(0);
    await expect.poll(() => count(on, "autoembed.embedding_queue")).toBe(0);
    const moved = "(select id as patient_id, body as context_text, embedding from app.moved) m";
    expect(await wrongRows(on.client, moved)).toEqual([]);
  });
});
