import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { findPgvector } from "../../src/database/pgvector.ts";
import { Events } from "../../src/events.ts";
import { Budget } from "../../src/listener/budget.ts";
import { SourceWorkers } from "../../src/listener/source-workers.ts";
import { Providers } from "../../src/providers/registry.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { ConcurrencyLimit } from "../../src/timing/concurrency-limit.ts";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";

/** The workers of a listener whose command for the password fails. */
async function prepareWorkers(settings: Readonly<Record<string, string>> = {}) {
  const { database, environment } = await prepare();
  const url = new URL(database.url);
  url.searchParams.set("application_name", "no password yet");
  const folder = mkdtempSync(join(tmpdir(), "autoembed-"));
  const file = join(folder, "works");
  const command = `test -e '${file}' && echo secret`;
  const config = readConfig({
    ...environment,
    DATABASE_URL: url.href,
    DATABASE_PASSWORD_COMMAND: command,
    ...settings,
  });
  const sure = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  const db = connect({ databaseUrl: url.href, maxConnections: 2, ownSessions: true });
  const events = new Events();
  const workers = new SourceWorkers({
    db,
    batches: db,
    config,
    providers: new Providers(config, events),
    budget: new Budget(config, events),
    spending: { unwrittenOf: () => 0 },
    events,
    writes: new ConcurrencyLimit(1),
    claimant: { id: () => Promise.resolve(1), claimOutcomeUnknown: () => undefined },
    backfillLanes: new Map(),
  });
  onTestFinished(async () => {
    writeFileSync(file, "");
    await workers.close(AbortSignal.timeout(1_000));
    await Promise.all([sure.destroy(), db.destroy()]);
    rmSync(folder, { recursive: true });
  });
  const failing = once(events, "source_failing", { signal: AbortSignal.timeout(20_000) });
  await workers.open(await loadSources(sure), await findPgvector(sure));
  const [{ problem }] = (await failing) as [{ problem: string }];
  return { workers, problem };
}

describeNative("A source that cannot be started", "needs sessions of its own", () => {
  test("waits for no person where the command for the password has failed: the next time it may work", async () => {
    const { workers, problem } = await prepareWorkers();
    expect(problem).toBe("The command of DATABASE_PASSWORD_COMMAND ended with exit code 1.");
    expect(workers.waitingForPerson).toEqual([]);
  });

  test("waits for a person where its provider makes vectors of another length", async () => {
    const { workers, problem } = await prepareWorkers({ EMBEDDING_DIM: "4" });
    expect(problem).toContain("dimensions");
    expect(workers.waitingForPerson).toHaveLength(1);
  });
});
