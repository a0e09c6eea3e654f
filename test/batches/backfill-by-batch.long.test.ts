import { describeNative } from "../support/database.ts";
import { expect, onTestFinished, test, vi } from "vitest";
import { BatchServer } from "../support/batch-server.ts";
import { runCommand } from "../support/command.ts";
import { DIMENSIONS, prepare, wrongRows, type Listening } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000 });

interface Batching extends Listening {
  readonly server: BatchServer;
}

/** A database whose provider has batches. */
async function prepareBatches(overrides: Readonly<Record<string, string>> = {}): Promise<Batching> {
  const server = await BatchServer.start(DIMENSIONS);
  onTestFinished(() => server.close());
  const on = await prepare({ OPENAI_BASE_URL: server.url, ...overrides });
  return { ...on, server };
}

/** Rows that no trigger has queued. Every tenth has the text of another. */
async function insertRows({ client }: Listening, rows: number): Promise<void> {
  await client.query("alter table patient_embeddings disable trigger user");
  await client.query(
    `insert into patient_embeddings (patient_id, context_text)
     select n, 'note ' || case when n % 10 = 0 then n - 1 else n end from generate_series(1, $1) n`,
    [rows],
  );
  await client.query("alter table patient_embeddings enable trigger user");
}

async function expectTidy({ client, server }: Batching): Promise<void> {
  const left = `select problem from autoembed.embedding_batch union all select 'a page' from autoembed.embedding_page`;
  await expect
    .poll(async () => (await client.query<{ problem: string }>(left)).rows, { timeout: 60_000 })
    .toEqual([]);
  expect([...server.files.values()].map(({ name }) => name)).toEqual([]);
}

test("A backfill by batch embeds every row, each text once, and leaves no file at the provider", async () => {
  const on = await prepareBatches({ EMBED_BATCH_API_TEXTS: "1500" });
  await insertRows(on, 3_000);
  await on.client.query("update patient_embeddings set context_text = ' ' where patient_id = 7");
  const { server } = on;
  const command = runCommand(["backfill", "--batch", "--json"], on.environment);
  expect(await command.exited, command.stderr()).toBe(0);
  expect(JSON.parse(command.stdout())).toMatchObject({ pending: 0, failed: 0 });
  expect(command.stderr()).toContain("batches: 1 at the provider");
  expect(await wrongRows(on.client)).toEqual([]);
  expect(server.batches.length).toBe(3);
  expect(server.counts).toMatchObject({ batched: 2_699, live: 0 });
  expect(server.paidTwice).toEqual([]);
  await on.listen();
  await expectTidy(on);
});

describeNative("Processes that die in a backfill by batch", "needs a server that outlives them", () => {
  test("Killed three times, with a lost file, a lost answer and an expired batch, it loses nothing and pays for nothing twice", async () => {
    const on = await prepareBatches({ EMBED_BATCH_API_TEXTS: "1000" });
    const { client, server, environment } = on;
    await insertRows(on, 4_000);
    Object.assign(server, { isHeld: true, losesFiles: 1, expires: 1, swallows: 1 });
    server.refuses = (text) => text === "note 5";
    server.requests.poison = server.refuses;
    server.loses = (text) => text === "note 11";
    const killWhen = async (isTime: () => boolean | Promise<boolean>): Promise<void> => {
      const killed = runCommand(["backfill", "--batch"], environment);
      await expect.poll(isTime, { timeout: 60_000, interval: 20 }).toBe(true);
      killed.process.kill("SIGKILL");
      await killed.exited;
    };
    const isEmbedded = async (condition: string): Promise<boolean> =>
      (
        await client.query(
          `select from patient_embeddings where embedding is not null and ${condition} limit 1`,
        )
      ).rowCount === 1;
    await killWhen(() => server.counts.uploads > 0);
    await killWhen(() => server.batches.length > 1);

    const listener = await on.listen();
    await client.query(
      "insert into patient_embeddings (patient_id, context_text) values (1000001, 'a fresh change')",
    );
    await expect.poll(() => isEmbedded("patient_id = 1000001"), { timeout: 30_000 }).toBe(true);
    expect(await isEmbedded("patient_id < 1000000")).toBe(false);
    await listener.stop();
    server.isHeld = false;
    await killWhen(() => isEmbedded("patient_id < 1000000"));

    const command = runCommand(["backfill", "--batch", "--json"], environment);
    expect(await command.exited, command.stderr()).toBe(1);
    expect(await wrongRows(client)).toEqual(["5"]);
    const failed = await client.query(
      "select key from autoembed.embedding_queue where failed_at is not null",
    );
    expect(failed.rows).toEqual([{ key: "5" }]);
    expect(server.paidTwice).toEqual([]);
    expect(server.counts.live).toBeLessThan(100);
    const said = command.stderr() + command.stdout();
    expect(said).not.toContain("note 5");
    await on.listen();
    await expectTidy(on);
  });
});

describeNative("A backfill by batch that waits", "needs several sessions", () => {
  test("Paused, or past the provider's quota, a backfill by batch waits and goes on", async () => {
    const on = await prepareBatches({ EMBED_BATCH_API_TEXTS: "1000" });
    const { client, server, environment } = on;
    await insertRows(on, 1_500);
    Object.assign(server, { runMs: 1_000, quota: 10_000 });
    const command = runCommand(["backfill", "--batch"], environment);
    await expect.poll(() => command.stderr(), { timeout: 60_000 }).toContain("token_limit_exceeded");
    await client.query("update autoembed.embedding_source set paused = true");
    await expect.poll(() => command.stderr(), { timeout: 60_000 }).toContain("is paused");
    const asked = server.batches.length;
    command.process.kill("SIGINT");
    expect(await command.exited, command.stderr()).toBe(1);
    server.quota = Number.POSITIVE_INFINITY;
    await client.query("update autoembed.embedding_source set paused = false");
    expect(server.batches.length - asked).toBeLessThanOrEqual(1);
    await on.listen();
    await expectTidy(on);
    expect(await wrongRows(client)).toEqual([]);
    expect(server.paidTwice).toEqual([]);
  });
});

test("A backfill that is asked for without --batch takes over what no batch has, and leaves the batches to end", async () => {
  const on = await prepareBatches({ EMBED_BATCH_API_TEXTS: "1000", EMBED_BATCH_SIZE: "256" });
  const { client, server, environment } = on;
  await insertRows(on, 1_500);
  Object.assign(server, { runMs: 3_000, quota: 10_000 });
  const batching = runCommand(["backfill", "--batch"], environment);
  await expect.poll(() => batching.stderr(), { timeout: 60_000 }).toContain("token_limit_exceeded");
  batching.process.kill("SIGKILL");
  await batching.exited;
  const command = runCommand(["backfill"], environment);
  expect(await command.exited, command.stderr()).toBe(0);
  expect(await wrongRows(client)).toEqual([]);
  expect(server.counts.live).toBeGreaterThan(0);
  expect(server.paidTwice).toEqual([]);
});

test("A backfill by batch names the source whose key is not set", async () => {
  const on = await prepareBatches();
  await on.client.query(
    `update autoembed.embedding_source set settings = '{"api_key_env": "WARD_API_KEY"}' where name = 'patient_embeddings'`,
  );
  const command = runCommand(["backfill", "--batch"], on.environment);
  expect(await command.exited, command.stderr()).toBe(1);
  expect(command.stderr()).toContain("patient_embeddings: WARD_API_KEY is not set");
});

test("A provider without batches is refused with the names of those that have them", async () => {
  const on = await prepareBatches({ EMBEDDING_BACKEND: "ollama", OLLAMA_BASE_URL: "http://127.0.0.1:9" });
  const command = runCommand(["backfill", "--batch"], on.environment);
  expect(await command.exited, command.stderr()).toBe(2);
  expect(command.stderr()).toContain(
    "OpenAI, Azure OpenAI (at /openai/v1), Gemini, Mistral and Voyage have one",
  );
});
