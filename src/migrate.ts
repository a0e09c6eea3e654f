import pg, { type ClientBase } from "pg";
import { clientOf } from "./database/client-of.ts";
import { checkServer } from "./database/check-server.ts";
import { connectionStringProblem, plainConnectionString } from "./database/connection-url.ts";
import { SetupError, UsageError } from "./errors.ts";
import { invocation } from "./invocation.ts";
import { checkApplied, readState } from "./migrate/applied.ts";
import {
  changedFunctions,
  INSTALLED_FUNCTIONS,
  type InstalledFunction,
} from "./migrate/changed-functions.ts";
import { firstVersion } from "./migrate/first-version.ts";
import { lockedTransaction } from "./migrate/locked-transaction.ts";
import { readMigrationFiles, type MigrationFiles } from "./migrate/migration-files.ts";
import { migrationSteps } from "./migrate/steps.ts";
import { beingUninstalled, UNINSTALL } from "./migrate/uninstalling.ts";
import { updateTriggers } from "./migrate/update-triggers.ts";
import { INSUFFICIENT_PRIVILEGE, INVALID_SCHEMA_NAME, UNDEFINED_COLUMN } from "./sqlstate.ts";

export interface MigrateOptions {
  /** Anything that `DATABASE_URL` may be. */
  readonly databaseUrl: string;
  /** Length of the vectors of `patient_embeddings`; used when the table is made. */
  readonly dimensions: number;
  /** Whether a database of version 0.1 is taken over: what is watched, pending and cached. */
  readonly adoptsFirstVersion?: boolean;
  /** Called with what is being done, a line per step. Never a value of a user's row. */
  readonly onMessage?: (message: string) => void;
}

/**
 * Brings a database up to date: tables, functions, rights, and the triggers of every source. Safe to run from several
 * deploys at once, and again.
 *
 * Tables and functions change in one transaction: a deploy that fails leaves the database as it was, and no listener
 * finds the functions of one version with the tables of another.
 * @throws {SetupError} where the server, its pgvector or its permissions do not allow it, with what to do.
 * @throws {UsageError} if the options name no database, or no length of vectors.
 */
export async function migrate(options: MigrateOptions): Promise<void> {
  refuseUnusable(options);
  const databaseUrl = plainConnectionString(options.databaseUrl);
  await checkServer(databaseUrl);
  const files = await readMigrationFiles();
  const client = new (clientOf(databaseUrl))({
    connectionString: databaseUrl,
    connectionTimeoutMillis: 10_000,
    application_name: "pg-autoembed migrate",
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    await lockedTransaction(client, () => applySteps(client, files, options));
    await updateTriggers(client, options.onMessage ?? (() => undefined));
  } catch (error) {
    throw explain(error, options);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Without an address, pg would take its defaults: another database, on this machine. */
function refuseUnusable({
  databaseUrl,
  dimensions,
}: Readonly<Partial<Record<keyof MigrateOptions, unknown>>>): void {
  const problem = typeof databaseUrl === "string" ? connectionStringProblem(databaseUrl) : "expected a text";
  if (problem !== undefined) {
    throw new UsageError(
      `migrate() was given no database: ${problem}.`,
      "Give it what readConfig() returns, with DATABASE_URL, or { databaseUrl, dimensions }.",
    );
  }
  if (!Number.isInteger(dimensions) || Number(dimensions) < 1) {
    throw new UsageError(
      "migrate() was given no length of vectors.",
      "Give it dimensions, a whole number such as 1536, or what readConfig() returns.",
    );
  }
}

async function applySteps(client: ClientBase, files: MigrationFiles, options: MigrateOptions): Promise<void> {
  const { applied, isFirstVersion } = await readState(client);
  if (isFirstVersion && options.adoptsFirstVersion !== true) throw firstVersion();
  if (applied.has(UNINSTALL)) throw beingUninstalled();
  checkApplied(files, applied);
  const { rows: installed } = await client.query<InstalledFunction>(INSTALLED_FUNCTIONS);
  const isChanged = changedFunctions(files.functions, installed).length > 0;
  for (const step of migrationSteps(files, applied, { ...options, adopts: isFirstVersion, isChanged })) {
    if (step.isRoutine !== true) options.onMessage?.(`Applying ${step.title}`);
    await client.query(step.sql);
  }
}

function explain(error: unknown, { dimensions }: MigrateOptions): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  if (error.code === INSUFFICIENT_PRIVILEGE) {
    return new SetupError(
      `The role may not migrate this database: ${error.message}.`,
      "Migrate as the owner of the database (or of the schema autoembed), and listen as a lesser role. For the first time, another role needs the right to create in the database and, for patient_embeddings, in public: grant create on database MINE to ROLE; grant create on schema public to ROLE;",
      { cause: error },
    );
  }
  if (error.code === INVALID_SCHEMA_NAME) {
    return new SetupError(
      "This database has no schema public, in which pgvector and the table patient_embeddings are made.",
      "As the owner of the database: create schema public;",
      { cause: error },
    );
  }
  if (error.code === "42704" && /\bvector\b/.test(error.message)) {
    return new SetupError(
      "The extension vector (pgvector) is gone from this database.",
      `As the owner of the database: create extension vector; Then: ${invocation("doctor")}`,
      { cause: error },
    );
  }
  if (error.code === UNDEFINED_COLUMN && error.message.includes("patient_embeddings")) {
    return new SetupError(
      `The table public.patient_embeddings lacks a column that it is to have: ${error.message}.`,
      `Rename that table. Or, where the column of the vectors is missing: alter table public.patient_embeddings add column embedding vector(${dimensions}); Then run \`${invocation("migrate")}\` again.`,
      { cause: error },
    );
  }
  return new SetupError(
    `A migration failed: ${error.message}.`,
    error.hint ??
      `Nothing of it was kept. Fix what the message names, then run \`${invocation("migrate")}\` again.`,
    { cause: error },
  );
}
