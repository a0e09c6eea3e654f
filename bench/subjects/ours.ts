import { showProgress } from "../../src/backfill/progress.ts";
import { runBackfill } from "../../src/backfill/run-backfill.ts";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import type { Job } from "../job.ts";

/** The work of `npm run backfill`, from finding the rows to the last commit. */
export async function ours(job: Job): Promise<void> {
  const config = {
    ...readConfig({
      EMBEDDING_BACKEND: "llm_api",
      OPENAI_BASE_URL: job.providerUrl,
      OPENAI_API_KEY: "none",
      OPENAI_EMBED_MODEL: "bench",
      EMBED_BATCH_SIZE: String(job.batch),
      EMBED_MAX_CONCURRENCY: String(job.lanes),
    }),
    DATABASE_URL: job.databaseUrl,
  };
  const db = connect({ databaseUrl: job.databaseUrl, maxConnections: 1, ownSessions: true });
  const sources = await chooseSources(db, undefined);
  const report = await runBackfill(config, sources, {
    all: false,
    progress: showProgress("none"),
    signal: new AbortController().signal,
  });
  await db.destroy();
  if (report.done !== job.rows || report.pending > 0) throw new Error(`not done: ${JSON.stringify(report)}`);
}
