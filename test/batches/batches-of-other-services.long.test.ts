import { expect, onTestFinished, test, vi } from "vitest";
import { BatchServer } from "../support/batch-server.ts";
import { mistralWire, voyageWire, type BatchWire } from "../support/batch-wires.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { geminiWire } from "../support/gemini-batch-wire.ts";
import { DIMENSIONS, prepare, wrongRows, type Listening } from "../support/listening.ts";
import { startStandInInternet } from "../support/stand-in-internet.ts";

vi.setConfig({ testTimeout: 180_000 });

type Settings = Readonly<Record<string, string>>;

interface Batching extends Listening {
  readonly server: BatchServer;
}

/** A database with rows that no trigger has queued, every tenth with the text of another, and a service with batches. */
async function prepareBatches(
  wire: BatchWire,
  settings: (server: BatchServer) => Settings | Promise<Settings>,
  rows: number,
): Promise<Batching> {
  const server = await BatchServer.start(DIMENSIONS, wire);
  onTestFinished(() => server.close());
  const on = await prepare({ EMBED_BATCH_API_TEXTS: "500", ...(await settings(server)) });
  await on.client.query("alter table patient_embeddings disable trigger user");
  await on.client.query(
    `insert into patient_embeddings (patient_id, context_text)
     select n, 'note ' || case when n % 10 = 0 then n - 1 else n end from generate_series(1, $1) n`,
    [rows],
  );
  await on.client.query("alter table patient_embeddings enable trigger user");
  return { ...on, server };
}

const gemini = ({ url }: BatchServer) => ({
  EMBEDDING_BACKEND: "gemini",
  GEMINI_BASE_URL: url,
  GEMINI_API_KEY: "test-key",
});

async function expectTidy({ client, server }: Batching): Promise<void> {
  const left = `select problem from autoembed.embedding_batch union all select 'a page' from autoembed.embedding_page`;
  await expect
    .poll(async () => (await client.query<{ problem: string }>(left)).rows, { timeout: 60_000 })
    .toEqual([]);
  expect([...server.files.values()].map(({ name }) => name)).toEqual([]);
}

async function expectWholeBackfill(on: Batching): Promise<void> {
  const { client, server, environment } = on;
  server.refuses = (text) => text === "note 5";
  server.requests.poison = server.refuses;
  const command = runCommand(["backfill", "--batch", "--json"], environment);
  expect(await command.exited, command.stderr()).toBe(1);
  expect(JSON.parse(command.stdout())).toMatchObject({ pending: 0, failed: 1 });
  expect(await wrongRows(client)).toEqual(["5"]);
  expect(server.batches.length).toBeGreaterThan(1);
  expect(server.counts).toMatchObject({ batched: 1_079, live: 0 });
  expect(server.paidTwice).toEqual([]);
  const spent = await client.query<{ tokens: string }>(
    "select sum(tokens) as tokens from autoembed.embedding_spending",
  );
  expect(Number(spent.rows[0]?.tokens)).toBeGreaterThan(1_079);
  expect(command.stderr() + command.stdout()).not.toContain("note 5");
  await on.listen();
  await expectTidy(on);
}

test("A backfill by Gemini's batches embeds every row, each text once, and counts tokens that nobody reports", async () => {
  await expectWholeBackfill(await prepareBatches(geminiWire, gemini, 1_200));
});

test("A backfill by Voyage's batches embeds every row, each text once", async () => {
  const voyage = ({ url }: BatchServer) => ({
    EMBEDDING_BACKEND: "voyage",
    VOYAGE_BASE_URL: url,
    VOYAGE_API_KEY: "test-key",
  });
  await expectWholeBackfill(await prepareBatches(voyageWire, voyage, 1_200));
});

test("A backfill by Mistral's batches embeds every row, each text once", async () => {
  // It is known by the name of its host.
  const mistral = async ({ url }: BatchServer): Promise<Settings> => {
    const internet = await startStandInInternet(url);
    onTestFinished(internet.close);
    vi.stubEnv("HTTP_PROXY", internet.proxyUrl);
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    return {
      OPENAI_BASE_URL: "http://api.mistral.ai/v1",
      OPENAI_EMBED_MODEL: "mistral-embed",
      HTTP_PROXY: internet.proxyUrl,
    };
  };
  await expectWholeBackfill(await prepareBatches(mistralWire, mistral, 1_200));
});

describeNative("Faults of Gemini's batches", "needs a server that outlives a process", () => {
  test("A batch that is refused until Google has deleted its file is sent again, and each text is paid for once", async () => {
    const on = await prepareBatches(geminiWire, gemini, 1_200);
    const { client, server, environment } = on;
    server.refusesCreating = 429;
    const command = runCommand(["backfill", "--batch", "--json"], environment);
    const refused = "select from autoembed.embedding_batch where state = 'uploaded' and attempts > 1";
    await expect.poll(async () => (await client.query(refused)).rowCount, { timeout: 60_000 }).toBe(1);
    // As Google does after two days.
    server.files.clear();
    // One of its texts has changed by then.
    await client.query("update patient_embeddings set context_text = 'changed' where patient_id = 7");
    server.refusesCreating = 0;
    expect(await command.exited, command.stderr()).toBe(0);
    expect(await wrongRows(client)).toEqual([]);
    expect(server.paidTwice).toEqual([]);
    expect(server.paid.get("note 7")).toBeUndefined();
    await expectTidy(on);
  });

  test("A file that is not among those that are listed any more is not left at the provider when its batch is sent again", async () => {
    const on = await prepareBatches(geminiWire, gemini, 1_200);
    const { client, server, environment } = on;
    Object.assign(server, { listed: 0, refusesCreating: 403 });
    const command = runCommand(["backfill", "--batch", "--json"], environment);
    await expect.poll(() => server.counts.uploads, { timeout: 60_000 }).toBeGreaterThan(1);
    Object.assign(server, { listed: Number.POSITIVE_INFINITY, refusesCreating: 0 });
    expect(await command.exited, command.stderr()).toBe(0);
    expect(await wrongRows(client)).toEqual([]);
    await expectTidy(on);
  });

  test("Killed once, with a quota, a failed and an expired batch, a lost file, a lost answer and a lost line, nothing is lost and nothing paid for twice", async () => {
    const on = await prepareBatches(geminiWire, gemini, 3_000);
    const { client, server, environment } = on;
    Object.assign(server, { isHeld: true, losesFiles: 1, expires: 1, swallows: 1, fails: 1, quota: 12_000 });
    server.refuses = (text) => text === "note 5";
    server.requests.poison = server.refuses;
    server.loses = (text) => text === "note 11";
    const killed = runCommand(["backfill", "--batch"], environment);
    await expect
      .poll(() => server.counts.quotaRefusals, { timeout: 60_000, interval: 20 })
      .toBeGreaterThan(0);
    killed.process.kill("SIGKILL");
    await killed.exited;
    server.isHeld = false;
    const command = runCommand(["backfill", "--batch", "--json"], environment);
    expect(await command.exited, command.stderr()).toBe(1);
    expect(await wrongRows(client)).toEqual(["5"]);
    const failed = await client.query(
      "select key from autoembed.embedding_queue where failed_at is not null",
    );
    expect(failed.rows).toEqual([{ key: "5" }]);
    expect(server.paidTwice).toEqual([]);
    expect([server.losesFiles, server.expires, server.swallows, server.fails]).toEqual([0, 0, 0, 0]);
    expect(server.counts.live).toBeLessThan(100);
    expect(command.stderr() + command.stdout() + killed.stderr()).not.toContain("note 5");
    await on.listen();
    await expectTidy(on);
  });
});
