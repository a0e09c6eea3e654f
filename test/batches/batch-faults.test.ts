import { expect, onTestFinished, test, vi } from "vitest";
import { BatchServer } from "../support/batch-server.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { DIMENSIONS, prepare, wrongRows, type Listening } from "../support/listening.ts";
import { grant, moveVector, nameIn, role } from "../support/roles.ts";

vi.setConfig({ testTimeout: 180_000 });

const BEGIN_BACKFILL = `insert into autoembed.embedding_backfill (source_id, is_all, key_columns, in_batches)
  select id, false, array['patient_id bigint'], true from autoembed.embedding_source`;

interface Batching extends Listening {
  readonly server: BatchServer;
}

/** Rows that no trigger has queued, and a backfill of them by batch that is under way in the database. */
async function prepareBatches(rows: number, texts: number): Promise<Batching> {
  const server = await BatchServer.start(DIMENSIONS);
  onTestFinished(() => server.close());
  const on = await prepare({ OPENAI_BASE_URL: server.url, EMBED_BATCH_API_TEXTS: String(texts) });
  await on.client.query("alter table patient_embeddings disable trigger user");
  await on.client.query(
    "insert into patient_embeddings (patient_id, context_text) select n, 'note ' || n from generate_series(1, $1) n",
    [rows],
  );
  await on.client.query("alter table patient_embeddings enable trigger user");
  await on.client.query(BEGIN_BACKFILL);
  return { ...on, server };
}

async function expectDone({ client }: Listening): Promise<void> {
  const left = `select problem from autoembed.embedding_batch union all select 'a page' from autoembed.embedding_page`;
  await expect
    .poll(async () => (await client.query<{ problem: string }>(left)).rows, { timeout: 60_000 })
    .toEqual([]);
  expect(await wrongRows(client)).toEqual([]);
}

describeNative("Faults of a provider's batches", "needs several sessions", () => {
  test("Two batches that the provider fails are asked for again, and one that its living listener owns goes on", async () => {
    const on = await prepareBatches(1_500, 1_000);
    const { client, server } = on;
    server.isHeld = true;
    await on.listen();
    const submitted = `select from autoembed.embedding_batch where state = 'submitted' and owner is null`;
    await expect
      .poll(async () => (await client.query(submitted)).rowCount, { timeout: 60_000 })
      .toBeGreaterThan(1);
    const own = `update autoembed.embedding_batch set owner = (select id from autoembed.embedding_listener)
    where id = (select max(id) from autoembed.embedding_batch) and owner is null`;
    await expect.poll(async () => (await client.query(own)).rowCount, { timeout: 30_000 }).toBe(1);
    for (const batch of server.batches)
      Object.assign(batch, { status: "failed", code: "token_limit_exceeded" });
    server.isHeld = false;
    await expectDone(on);
    expect(server.paidTwice).toEqual([]);
  });

  test("No batch is asked for whose vectors the listener's role could not write, since it may not use pgvector's schema", async () => {
    const on = await prepareBatches(20, 1_000);
    const { client, database, server } = on;
    const listenerUrl = await role(client, database.url, "listener");
    const name = nameIn(listenerUrl);
    await moveVector(client);
    await grant(client, name);
    await client.query("delete from autoembed.embedding_backfill");
    const listener = await on.listen({ DATABASE_URL: listenerUrl, EMBED_POLL_MS: "60000" });
    const problem = new Promise<string>((resolve) => {
      listener.events.on("source_failing", ({ problem }) => {
        resolve(problem);
      });
    });
    await client.query(`revoke usage on schema extensions from ${name}`);
    await client.query(BEGIN_BACKFILL);
    expect(await problem).toContain(`batch: the role ${name} may not read public.patient_embeddings`);
    expect(server.batches).toEqual([]);
  });

  test("Pages that were given back for a batch are embedded when the backfill goes on without batches", async () => {
    const on = await prepareBatches(20, 1_000);
    await on.client.query("update autoembed.embedding_backfill set in_batches = false, is_read = true");
    await on.client.query(
      `insert into autoembed.embedding_page (source_id, after, upto, for_batch)
     select id, null, array['20'], true from autoembed.embedding_source`,
    );
    await on.listen();
    await expectDone(on);
  });

  test("A file or a batch that is refused is sent later each time, and what the answer quotes is said nowhere", async () => {
    const on = await prepareBatches(20, 1_000);
    const { client, server } = on;
    server.refusesFiles = 413;
    const listener = await on.listen();
    const said: string[] = [];
    listener.events.on("source_failing", ({ problem }) => said.push(problem));
    const twice = `select problem from autoembed.embedding_batch where attempts > 1 and problem <> ''`;
    await expect.poll(async () => (await client.query(twice)).rowCount, { timeout: 60_000 }).toBe(1);
    server.refusesFiles = 0;
    server.refusesCreating = 400;
    const refused = `select problem from autoembed.embedding_batch where state = 'uploaded' and problem <> ''`;
    await expect.poll(async () => (await client.query(refused)).rowCount, { timeout: 60_000 }).toBe(1);
    said.push(JSON.stringify((await client.query(refused)).rows));
    expect(said.length).toBeGreaterThan(2);
    expect(said.join("\n")).not.toContain("note 1");
    server.refusesCreating = 0;
    await expectDone(on);
  });

  test("--batch is refused beside a listener of another version", async () => {
    const on = await prepareBatches(1, 1_000);
    await on.client.query(
      `insert into autoembed.embedding_listener (host, pid, version, seen_at) overriding user value
     values ('elsewhere', 7, '0.1.0', now() + interval '3 seconds')`,
    );
    await on.client.query(`update autoembed.embedding_listener set state = '{"asleep": true}'`);
    const command = runCommand(["backfill", "--batch"], on.environment);
    expect(await command.exited, command.stderr()).toBe(1);
    expect(command.stderr()).toContain("Update that listener");
  });
});
