import { onTestFinished } from "vitest";
import { dryRun, type DryRunOptions, type DryRunReport } from "../../src/backfill/dry-run.ts";
import { showProgress } from "../../src/backfill/progress.ts";
import { runBackfill } from "../../src/backfill/run-backfill.ts";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { isProbe } from "../../src/providers/isolate/probe-text.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { prepare } from "./listening.ts";

/** `patient_embeddings`, whose triggers see nothing, and dry runs and backfills of it. */
export async function prepareDryRun(settings: Readonly<Record<string, string>> = {}) {
  const { client, database, provider, environment } = await prepare(settings);
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const config = { ...readConfig(environment), DATABASE_URL: database.url };
  const { signal } = new AbortController();
  const source = async () => {
    const [source] = await chooseSources(db, "patient_embeddings");
    if (source === undefined) throw new Error("patient_embeddings is not watched");
    return source;
  };
  return {
    client,
    db,
    provider,
    environment,
    insert: async (texts: string, rows: number) => {
      await client.query("alter table patient_embeddings disable trigger user");
      await client.query(
        `insert into patient_embeddings select i, ${texts} from generate_series(1, ${rows}) i`,
      );
      await client.query("alter table patient_embeddings enable trigger user");
    },
    dryRun: async (options: Partial<DryRunOptions> = {}): Promise<DryRunReport> =>
      await dryRun(db, config, await source(), { all: false, sample: null, signal, ...options }),
    backfill: async (all = false) =>
      await runBackfill(config, [await source()], { all, progress: showProgress("none"), signal }),
    /** Texts of rows that were sent, in the order in which they were sent. */
    sent: () => provider.requests.flatMap(({ texts }) => (isProbe(texts) ? [] : texts)),
  };
}
