import { fileURLToPath } from "node:url";
import { Logger, migrate as runMigrations } from "graphile-migrate";
import pg from "pg";
import { setTimeout as delay } from "node:timers/promises";
import { SetupError } from "./errors.ts";
import { checkServer } from "./database/check-server.ts";

export interface MigrateOptions {
  readonly databaseUrl: string;
  /** Length of the vectors of `patient_embeddings`; used when the table is made. */
  readonly dimensions: number;
  /** Told what is being done, a line a step. Never a value from the database. */
  readonly onMessage?: (message: string) => void;
}

const MIGRATIONS = fileURLToPath(new URL("../migrations", import.meta.url));
/** How long one deploy waits for another that is migrating the same database. */
const PATIENCE_MS = 120_000;

/**
 * Brings a database up to date. Safe to run from several deploys at once, and again.
 * @throws {SetupError} where the server, its pgvector or its permissions do not allow it, with what to do.
 */
export async function migrate(options: MigrateOptions): Promise<void> {
  await checkServer(options.databaseUrl);
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      await runMigrations({
        connectionString: options.databaseUrl,
        rootConnectionString: differentFrom(options.databaseUrl),
        migrationsFolder: MIGRATIONS,
        placeholders: { ":EMBEDDING_DIM": String(options.dimensions) },
        logger: new Logger(() => (_level, message) => options.onMessage?.(withoutPaths(message))),
      });
      return;
    } catch (error) {
      if (!isLockedByAnother(error) || Date.now() > deadline) throw explain(error);
      await delay(250 + Math.random() * 250);
    }
  }
}

/** graphile-migrate insists on a root connection that is not the database's own, and never opens it here. */
function differentFrom(databaseUrl: string): string {
  return `${databaseUrl}${databaseUrl.includes("?") ? "&" : "?"}application_name=pg-autoembed-migrate`;
}

function withoutPaths(message: string): string {
  return message.replaceAll(MIGRATIONS, "migrations");
}

function isLockedByAnother(error: unknown): boolean {
  return error instanceof Error && error.message.includes("exclusive lock");
}

function explain(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  if (error.code === "42501") {
    return new SetupError(
      `The role may not migrate this database: ${error.message}.`,
      "Migrate as the owner of the database (or grant create on schema public), and listen as a lesser role.",
      { cause: error },
    );
  }
  return new SetupError(
    `A migration failed: ${error.message}.`,
    "Nothing of it was kept. Put right what the message names, then run `npm run migrate` again.",
    { cause: error },
  );
}
