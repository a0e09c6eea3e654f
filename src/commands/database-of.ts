import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config.ts";
import { DataDirectoryInUse } from "../embedded/data-lock.ts";
import { startEmbedded, type EmbeddedPostgres } from "../embedded/start-embedded.ts";
import { requireMigrated } from "../database/require-migrated.ts";
import { migrate } from "../migrate.ts";
import { dimensionsOf } from "../providers/with-provider.ts";
import { unlessAborted } from "../timing/unless-aborted.ts";

export interface OpenDatabase {
  readonly config: Config & { readonly DATABASE_URL: string };
  /** The embedded Postgres, if this process runs it. */
  readonly embedded: EmbeddedPostgres | undefined;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Refuses to join an embedded Postgres that another process runs. */
  readonly alone?: boolean;
  /** Ends the wait, with its reason as the error. An embedded Postgres that is starting is closed first. */
  readonly signal?: AbortSignal | undefined;
}

const NEVER = new AbortController().signal;

/**
 * Opens the database to work on. With `DATABASE_URL`, that database, which must already be migrated. Otherwise the
 * embedded one: started and migrated here, or shared with the process that already runs it.
 * @throws {SetupError} if the database is not migrated or cannot be used.
 */
export async function openDatabase(config: Config, options: OpenOptions = {}): Promise<OpenDatabase> {
  const { alone = false, signal = NEVER } = options;
  if (config.DATABASE_URL !== undefined) {
    await unlessAborted(signal, requireMigrated(config.DATABASE_URL));
    return { config: { ...config, DATABASE_URL: config.DATABASE_URL }, embedded: undefined, close: noop };
  }
  const embedded = await startOrJoin(config, alone);
  if (typeof embedded === "string") {
    return { config: { ...config, DATABASE_URL: embedded }, embedded: undefined, close: noop };
  }
  const close = async (): Promise<void> => {
    await rm(urlFile(config), { force: true });
    await embedded.close();
  };
  try {
    const dimensions = await unlessAborted(signal, dimensionsOf(config));
    // No listener of an older version can be at work in it: it is ours alone.
    await migrate({ databaseUrl: embedded.url, dimensions, adoptsFirstVersion: true });
    signal.throwIfAborted();
  } catch (error) {
    await close();
    throw error;
  }
  return { config: { ...config, DATABASE_URL: embedded.url }, embedded, close };
}

/** Writes the database's URL next to its data, so that a second command can join the first. */
async function startOrJoin(config: Config, alone: boolean): Promise<EmbeddedPostgres | string> {
  const dataDirectory = config.EMBED_DATA_DIR;
  try {
    const embedded = await startEmbedded({ dataDirectory, port: config.EMBED_PORT });
    await writeFile(urlFile(config), embedded.url);
    return embedded;
  } catch (error) {
    if (!(error instanceof DataDirectoryInUse) || alone) throw error;
    const url = await readFile(urlFile(config), "utf8").catch(() => undefined);
    if (url === undefined) throw error;
    return url;
  }
}

function urlFile(config: Config): string {
  return join(config.EMBED_DATA_DIR, "url");
}

async function noop(): Promise<void> {
  // This process did not start the database, so it does not stop it.
}
