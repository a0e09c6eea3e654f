import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { expectAllChunksRight } from "../support/chunked-documents.ts";
import { runCommand, type RunningCommand } from "../support/command.ts";
import { describeWithCommit, unpackVersion } from "../support/earlier-version.ts";
import { keepWriting, type WrittenTable } from "../support/keep-writing.ts";
import { DIMENSIONS, wrongRows } from "../support/listening.ts";
import { startProviderServer } from "../support/provider-server.ts";
import { startProcess } from "../support/start-process.ts";
import { openUnmigratedDatabase } from "../support/unmigrated-database.ts";

// Half a dozen processes start one after the other, most of them from sources: seconds each on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

/** Longer than `migrate` tries. */
const COMMAND_MS = 180_000;

/** The first state of the code whose tables are in the schema `autoembed`: no `--from-0.1` is needed from there on. */
const EARLIER = "e3f89847811d496edcded9aa39ee43eae19fd59c";

const TABLES: readonly WrittenTable[] = [
  { name: "patient_embeddings", text: "context_text", key: ["patient_id"], keyOf: (n) => [n] },
  { name: "app.orders", text: "note", key: ["shop", "number"], keyOf: (n) => [`shop ${n % 3}`, n] },
  { name: "app.documents", text: "body", key: ["id"], keyOf: (n) => [n] },
];
/** `app.orders`, with the names that the columns of `patient_embeddings` have. */
const ORDERS = "(select shop || number as patient_id, note as context_text, embedding from app.orders) o";

/** A trigger function of an older version, which queued every update, and functions that are recorded as older. */
const SPOIL = `
  update autoembed.migration set hash = 'sha1:older' where filename = 'functions';
  do $$ begin
    execute replace(pg_get_functiondef('autoembed.source_1_row'::regproc), 'if tg_op = ''UPDATE'' and', 'if false and');
  end $$`;

/** A database that the earlier version has migrated, and in which it watches three tables. */
async function prepareEarlierDatabase() {
  const database = await openUnmigratedDatabase();
  onTestFinished(() => database.close());
  const provider = await startProviderServer({ dimensions: DIMENSIONS, latencyMs: 20 });
  onTestFinished(() => provider.close());
  const client = new pg.Client(database.url);
  await client.connect();
  onTestFinished(() => client.end());
  const environmentOf = (version: "earlier" | "present") => ({
    DATABASE_URL: database.url,
    EMBEDDING_BACKEND: "llm_api",
    EMBEDDING_DIM: String(DIMENSIONS),
    OPENAI_BASE_URL: provider.openAiUrl,
    // Tells the provider which version asks.
    OPENAI_API_KEY: version,
    EMBED_BACKOFF_MS: "10",
    EMBED_POLL_MS: "1000",
  });
  const environment = environmentOf("present");
  const earlier = { run: await unpackVersion(EARLIER), environment: environmentOf("earlier") };

  await succeeds(earlier.run(["migrate"], earlier.environment));
  await client.query(`create schema app;
    create table app.orders (shop text, number bigint, note text, embedding vector(${DIMENSIONS}), primary key (shop, number));
    create table app.documents (id bigint primary key, body text)`);
  await client.query("select autoembed.watch('app.orders', 'note')");
  const cut = "--into documents_passages --chunk 120 --overlap 30 --unit characters".split(" ");
  await succeeds(earlier.run(["watch", "app.documents", "--text", "body", ...cut], earlier.environment));
  let next = 1;
  return {
    client,
    earlier,
    environment,
    startWriting: () => {
      const stopping = new AbortController();
      const written = keepWriting(database.url, TABLES, next, stopping.signal);
      const stop = async () => {
        stopping.abort();
        next = await written;
      };
      onTestFinished(stop);
      return stop;
    },
    requestsOf: (version: "earlier" | "present") =>
      provider.requests.filter(({ headers }) => headers.authorization === `Bearer ${version}`).length,
    outdated: async () => {
      const { rows } = await client.query<{ name: string }>(
        "select unnest(autoembed.outdated_triggers(s)) as name from autoembed.embedding_source s",
      );
      return rows.map(({ name }) => name);
    },
  };
}

async function succeeds(command: RunningCommand): Promise<string> {
  const exitCode = await Promise.race([command.exited, delay(COMMAND_MS, "still running")]);
  expect(exitCode, command.stderr()).toBe(0);
  return command.stderr();
}

/** Waits until no row is pending, and expects that none failed and that every vector is that of its row's text. */
async function expectAllRight(client: pg.Client): Promise<void> {
  const unfinished = "select from autoembed.embedding_queue where failed_at is null";
  await expect.poll(async () => (await client.query(unfinished)).rowCount).toBe(0);
  expect((await client.query("select key, last_error from autoembed.embedding_queue")).rows).toEqual([]);
  expect(await wrongRows(client)).toEqual([]);
  expect(await wrongRows(client, ORDERS)).toEqual([]);
  await expectAllChunksRight(client);
  for (const { name } of TABLES)
    expect((await client.query(`select from ${name}`)).rowCount).toBeGreaterThan(20);
}

describeWithCommit(EARLIER, "An upgrade", "needs processes next to each other", () => {
  test("while an earlier listener embeds and a user writes, with a listener of each version side by side afterwards, leaves every vector right", async () => {
    const { client, earlier, environment, startWriting, requestsOf, outdated } =
      await prepareEarlierDatabase();
    const earlierListener = await startProcess(earlier, {}, earlier.run);
    const stopWriting = startWriting();
    await expect.poll(() => requestsOf("earlier")).toBeGreaterThan(10);
    await client.query(SPOIL);
    expect(await outdated()).toEqual(["source_1_row"]);

    const migrated = await succeeds(runCommand(["migrate"], environment));
    expect(migrated).toContain("Applying functions of");
    expect(migrated).toMatch(/patient_embeddings: [\w, ]*source_1_row[\w, ]* brought up to date/);
    expect(await outdated()).toEqual([]);

    const presentListener = await startProcess({ environment });
    const before = requestsOf("earlier");
    await expect.poll(() => requestsOf("earlier")).toBeGreaterThan(before + 10);
    await expect.poll(() => requestsOf("present")).toBeGreaterThan(10);
    await stopWriting();
    await expectAllRight(client);

    earlierListener.process.kill("SIGTERM");
    expect(await earlierListener.exited).toBe(0);
    const last = { earlier: requestsOf("earlier"), present: requestsOf("present") };
    const stopWritingAgain = startWriting();
    await expect.poll(() => requestsOf("present")).toBeGreaterThan(last.present + 10);
    await stopWritingAgain();
    await expectAllRight(client);
    expect(requestsOf("earlier")).toBe(last.earlier);
    // While the migration holds a table, a statement of the listener may give up its place in the queue of its lock.
    for (const { stderr } of [earlierListener, presentListener])
      expect(stderr()).not.toMatch(/"level":[56]0(?!.*55P03)/);
  });
});
