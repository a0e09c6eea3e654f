import { expect, onTestFinished, test } from "vitest";
import { BatchServer } from "../support/batch-server.ts";
import { runCommand } from "../support/command.ts";
import { openTestDatabase } from "../support/database.ts";
import { peakMegabytes } from "../support/peak-megabytes.ts";
import { withClient } from "../support/with-client.ts";

/** A line of results has 16.5 kB. */
const DIMENSIONS = 3_072;
const LOOK_MS = 100;

/** A backfill by one batch with that many texts. @returns megabytes of its file of results, and of the process at most */
async function readResults(rows: number): Promise<{ readonly file: number; readonly peak: number }> {
  const database = await openTestDatabase({ dimensions: DIMENSIONS });
  onTestFinished(() => database.close());
  const server = await BatchServer.start(DIMENSIONS);
  onTestFinished(() => server.close());
  await withClient(database.url, (client) =>
    client.query(`alter table patient_embeddings disable trigger user;
      insert into patient_embeddings (patient_id, context_text) select n, 'note ' || n from generate_series(1, ${rows}) n;
      alter table patient_embeddings enable trigger user`),
  );
  const command = runCommand(["backfill", "--batch", "--json"], {
    DATABASE_URL: database.url,
    EMBEDDING_BACKEND: "llm_api",
    EMBEDDING_DIM: String(DIMENSIONS),
    OPENAI_BASE_URL: server.url,
    OPENAI_API_KEY: "test-key",
    EMBED_BATCH_API_TEXTS: String(rows),
    // As `npm start` and the image have it.
    MALLOC_TRIM_THRESHOLD_: "131072",
  });
  let peak = 0;
  const looking = setInterval(() => {
    peak = Math.max(peak, peakMegabytes(command.process.pid));
  }, LOOK_MS);
  onTestFinished(() => {
    clearInterval(looking);
  });
  expect(await command.exited, command.stderr()).toBe(0);
  expect(JSON.parse(command.stdout())).toMatchObject({ pending: 0, failed: 0 });
  const { rows: left } = await withClient(database.url, (client) =>
    client.query("select count(*)::int as without from patient_embeddings where embedding is null"),
  );
  expect(left).toEqual([{ without: 0 }]);
  return { file: server.counts.servedBytes / 1e6, peak };
}

test("A file of results of 330 MB is read as a stream: the process needs less than half of that more than for one of 10 MB", async () => {
  const small = await readResults(600);
  const large = await readResults(20_000);
  expect(large.file).toBeGreaterThan(320);
  expect(large.peak - small.peak).toBeLessThan((large.file - small.file) / 2);
}, 240_000);
