import { expect, onTestFinished, test, vi } from "vitest";
import { showProgress } from "../../src/backfill/progress.ts";
import { runBackfill } from "../../src/backfill/run-backfill.ts";
import { readConfig } from "../../src/config.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { BatchServer } from "../support/batch-server.ts";
import { runCommand } from "../support/command.ts";
import { prepareDryRun } from "../support/dry-running.ts";
import { geminiWire } from "../support/gemini-batch-wire.ts";
import { DIMENSIONS, wrongRows } from "../support/listening.ts";
import { startStandInInternet } from "../support/stand-in-internet.ts";

vi.setConfig({ testTimeout: 180_000 });

const PRICE = { EMBED_PRICE_PER_MILLION_TOKENS: "1000", EMBED_BATCH_SIZE: "20" };
const FAR = "2099-01-01T08:00";

/** A time that is between four and five minutes away. */
function inFiveMinutes(): string {
  return `${new Date(Date.now() + 300_000).toISOString().slice(0, 16)}Z`;
}

/** A table of Gemini's, which has batches, and the command on it. */
async function prepareGemini(rows: number, settings: Readonly<Record<string, string>> = {}) {
  const server = await BatchServer.start(DIMENSIONS, geminiWire);
  onTestFinished(() => server.close());
  // Only the service's own address is known to have batches.
  const internet = await startStandInInternet(server.url);
  onTestFinished(internet.close);
  const gemini = {
    EMBEDDING_BACKEND: "gemini",
    GEMINI_BASE_URL: "http://generativelanguage.googleapis.com/v1beta",
    GEMINI_API_KEY: "test-key",
    HTTP_PROXY: internet.proxyUrl,
  };
  const on = await prepareDryRun({ ...PRICE, ...gemini, ...settings });
  await on.insert("'text ' || (1000 + i)", rows);
  const run = async (...args: string[]) => {
    const command = runCommand(["backfill", ...args], on.environment);
    return { code: await command.exited, stdout: command.stdout(), stderr: command.stderr() };
  };
  return { ...on, server, run };
}

test("--by chooses batches where there is time for them, says so, and goes by them", async () => {
  const { client, server, run } = await prepareGemini(300);
  const planned = await run("--dry-run", "--by", FAR, "--spend", "5");
  expect(planned.code, planned.stderr).toBe(0);
  const way =
    "  way    by the provider's batch API, since its batches end within 24 h and cost 0.5 of the price; what a batch leaves goes by requests.\n";
  expect(planned.stdout).toContain(way);
  const cost = Number(/\n {2}cost +about ([\d.]+)/.exec(planned.stdout)?.[1]);
  const planAt = Number(/all of it costs about ([\d.]+),/.exec(planned.stdout)?.[1]);
  expect(planAt).toBeCloseTo(cost / 2, 1);

  expect((await run("--dry-run", "--by", FAR, "--no-batch")).stdout).toContain(
    "  way    by requests, 1 at a time, since --no-batch asks for it.",
  );
  expect((await run("--dry-run", "--by", inFiveMinutes())).stdout).toMatch(
    / {2}way {4}by requests, 1 at a time, since batches may take 24 h, and there are [34] min /,
  );
  expect((await run("--dry-run", "--by", inFiveMinutes(), "--batch")).stdout).toMatch(
    /batches may take longer than that\.\n {2}way {4}by the provider's batch API, since --batch asks for it;/,
  );
  expect((await run("--batch", "--no-batch")).code).toBe(2);
  expect((await run("--by", FAR, "--per-row")).code).toBe(2);
  expect(server.counts).toMatchObject({ uploads: 0, live: 0 });

  const done = await run("--by", FAR, "--spend", "5");
  expect(done.code, done.stderr).toBe(0);
  expect(done.stderr).toContain(way);
  expect(server.counts).toMatchObject({ batched: 300, live: 0 });
  expect(await wrongRows(client)).toEqual([]);
});

test("By batches, too, a backfill stops at its money, with the rest pending, and a later one embeds the rest", async () => {
  const { client, server, run } = await prepareGemini(600, { EMBED_BATCH_API_TEXTS: "100" });
  const spent = async () =>
    (await client.query<{ spent: number }>("select sum(cost) as spent from autoembed.embedding_spending"))
      .rows[0]?.spent;
  // A text of nine characters costs 0.0011 by batch, and twice that by a request.
  const stopped = await run("--batch", "--spend", "0.3");
  expect(stopped.code, stopped.stderr).toBe(1);
  expect(stopped.stdout).toContain("The money of --spend is spent");
  expect(server.counts.batched).toBeGreaterThanOrEqual(200);
  expect(server.counts.batched).toBeLessThan(300);
  expect(await spent()).toBeGreaterThanOrEqual(0.3);
  // The requests in flight, and ready: two of 20 texts, and one that is being put together.
  expect(await spent()).toBeLessThan(0.3 + 3 * 20 * 0.0025);
  expect(server.files.size).toBe(0);

  const rest = await run("--batch");
  expect(rest.code, rest.stderr).toBe(0);
  expect(await wrongRows(client)).toEqual([]);
  expect(server.paidTwice).toEqual([]);
});

test("By requests, --by takes as many at a time as are enough at the measured pace, and says what would help where none are", async () => {
  const on = await prepareDryRun({ ...PRICE, EMBED_MAX_CONCURRENCY: "8" });
  await on.insert("'text ' || (1000 + i)", 100);
  const measured = async (msPerText: number): Promise<string> => {
    await on.client.query(
      `insert into autoembed.embedding_usage as u (source_id, model, timed_texts, request_ms)
       select id, 'llm_api/text-embedding-3-small', 100, 100 * $1::int from autoembed.embedding_source
       on conflict (day, source_id) do update set model = excluded.model, timed_texts = 100, request_ms = 100 * $1::int`,
      [msPerText],
    );
    const command = runCommand(["backfill", "--dry-run", "--by", inFiveMinutes()], on.environment);
    expect(await command.exited, command.stderr()).toBe(0);
    return command.stdout();
  };
  // 570 seconds in one lane, and four fifths of four to five minutes.
  expect(await measured(5_700)).toMatch(
    / {2}way {4}by requests, [34] at a time, since batches may take 24 h/,
  );
  const late = await measured(57_000);
  expect(late).toContain("so it cannot be done by then: about ");
  expect(late).toMatch(
    /What would help: EMBED_MAX_CONCURRENCY=(19|2\d), if the provider keeps its pace, or a --by at least 19 min 0 s from now; with 24 h it could go by batches, at 0\.5 of the price\./,
  );
  expect(await measured(570_000)).toContain("What would help: listeners with other keys");
});

test("A backfill with three lanes has no more requests in flight, and changes have all of them", async () => {
  const on = await prepareDryRun({ EMBED_BATCH_SIZE: "5", EMBED_MAX_CONCURRENCY: "8" });
  await on.insert("'text ' || (1000 + i)", 200);
  on.provider.latencyMs = 50;
  const sources = await chooseSources(on.db, "patient_embeddings");
  const config = { ...readConfig(on.environment), DATABASE_URL: String(on.environment["DATABASE_URL"]) };
  const lanes = new Map([["patient_embeddings", 3]]);
  const options = { all: false, progress: showProgress("none"), signal: new AbortController().signal };
  await runBackfill(config, sources, { ...options, lanes });
  expect(on.provider.counts.mostInFlight).toBeLessThanOrEqual(3);
  await on.client.query("update patient_embeddings set context_text = 'new ' || context_text");
  await runBackfill(config, sources, { ...options, lanes });
  expect(on.provider.counts.mostInFlight).toBeGreaterThan(3);
  expect(await wrongRows(on.client)).toEqual([]);
});
