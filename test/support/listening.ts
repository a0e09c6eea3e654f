import pg from "pg";
import { afterAll, onTestFinished } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createListener, type Listener } from "../../src/listener/listener.ts";
import { openTestDatabase, type TestDatabase } from "./database.ts";
import { oracleVector, startProviderServer, type ProviderServer } from "./provider-server.ts";

export const DIMENSIONS = 8;

export interface Listening {
  readonly database: TestDatabase;
  readonly provider: ProviderServer;
  readonly client: pg.Client;
  /** The settings that its listeners run with. */
  readonly environment: Readonly<Record<string, string>>;
  /** A further listener on the same database; stopped when the test ends. */
  readonly listen: (overrides?: Readonly<Record<string, string>>) => Promise<Listener>;
}

/** One database per test file, because an embedded one takes seconds to open. */
let shared: Promise<TestDatabase> | undefined;
afterAll(async () => {
  await (await shared)?.close();
});

/** An emptied database, and a provider that answers with oracle vectors. All but the database is closed when the test ends. */
export async function prepare(overrides: Readonly<Record<string, string>> = {}): Promise<Listening> {
  const database = await (shared ??= openTestDatabase({ dimensions: DIMENSIONS }));
  const provider = await startProviderServer({ dimensions: DIMENSIONS });
  onTestFinished(() => provider.close());
  const client = new pg.Client(database.url);
  await client.connect();
  onTestFinished(() => client.end());
  await client.query(`
    select autoembed.unwatch(name) from autoembed.embedding_source where name <> 'patient_embeddings';
    update autoembed.embedding_source set paused = false, trouble = null;
    truncate patient_embeddings, autoembed.embedding_queue, autoembed.embedding_cache, autoembed.embedding_ledger, autoembed.embedding_reservation, autoembed.embedding_usage, autoembed.embedding_spending, autoembed.embedding_listener, autoembed.embedding_backfill, autoembed.embedding_page, autoembed.embedding_batch`);
  const environment = {
    DATABASE_URL: database.url,
    EMBEDDING_BACKEND: "llm_api",
    EMBEDDING_DIM: String(DIMENSIONS),
    OPENAI_BASE_URL: `${provider.url}/v1`,
    OPENAI_API_KEY: "test-key",
    EMBED_BACKOFF_MS: "10",
    EMBED_POLL_MS: "1000",
    EMBED_LOG_LEVEL: "silent",
    ...overrides,
  };
  const listen = async (more: Readonly<Record<string, string>> = {}): Promise<Listener> => {
    const config = readConfig({ ...environment, ...more });
    if (config.DATABASE_URL === undefined) throw new Error("a listener needs a database");
    const listener = createListener({ ...config, DATABASE_URL: config.DATABASE_URL });
    onTestFinished(async () => {
      await listener.stop();
    });
    await listener.start();
    return listener;
  };
  return { database, provider, client, environment, listen };
}

/** Keys of rows whose vector is not the oracle's for their text, or is missing. Empty when all is right. */
export async function wrongRows(client: pg.Client, table = "patient_embeddings"): Promise<string[]> {
  const { rows } = await client.query<{
    patient_id: string;
    context_text: string | null;
    embedding: string | null;
  }>(`select patient_id, context_text, embedding from ${table} order by patient_id`);
  return rows.flatMap(({ patient_id, context_text, embedding }) => {
    const expected =
      context_text === null || context_text.trim() === "" ? null : oracleVector(context_text, DIMENSIONS);
    const actual = embedding === null ? null : Float32Array.from(JSON.parse(embedding) as number[]);
    return String(expected) === String(actual) ? [] : [patient_id];
  });
}
