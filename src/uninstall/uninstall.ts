import { sql } from "kysely";
import pg from "pg";
import type { Database } from "../database/connect.ts";
import { withTableLock } from "../database/with-table-lock.ts";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import type { OwnNames } from "./own-names.ts";
import { fateOfSample, type Plan } from "./plan.ts";
import { dropSampleTable, emptySampleColumn } from "./sample-table.ts";
import { ownRelations, ownRoutines, type WatchedTriggers } from "./schema-contents.ts";
import { stopListeners } from "./stop-listeners.ts";
import { DEPENDENT_OBJECTS_STILL_EXIST } from "../sqlstate.ts";

const SOURCES = "autoembed.embedding_source";

/**
 * Takes everything of ours out of a database. It may be killed between any two steps, and run again: the triggers go
 * before what they call, so that no write fails, and the sources last, so that the next run knows what is left.
 * @param onStep receives what was done, a line per step
 * @throws {SetupError} if a listener does not stop, a lock is not to be had, or something of others turned up meanwhile.
 */
export async function uninstall(
  db: Database,
  names: OwnNames,
  plan: Plan,
  onStep: (step: string) => void,
): Promise<void> {
  const step = async (done: string, work: (transaction: Database) => Promise<unknown>): Promise<void> => {
    await withTableLock(db, work).catch((error: unknown) => {
      throw explainDependents(error);
    });
    onStep(done);
  };
  await stopListeners(db);
  onStep("No listener is running.");
  for (const watched of plan.triggers) {
    await step(`Triggers of ${watched.table} removed.`, (transaction) => dropTriggers(transaction, watched));
  }
  const { sample } = plan;
  const fate = fateOfSample(plan);
  if (sample !== null && fate === "emptied") {
    await step("Vectors of public.patient_embeddings removed.", (transaction) =>
      emptySampleColumn(transaction, sample),
    );
  }
  for (const { name, statement } of plan.removed) {
    await step(`Removed: ${name}.`, (transaction) => sql.raw(statement).execute(transaction));
  }
  await step("Schema autoembed removed.", async (transaction) => {
    if (fate === "dropped") await dropSampleTable(transaction);
    await dropSchema(transaction, names);
  });
}

async function dropTriggers(
  transaction: Database,
  { table, triggers }: Pick<WatchedTriggers, "table" | "triggers">,
): Promise<void> {
  for (const trigger of triggers) {
    await sql`drop trigger if exists ${sql.id(trigger)} on ${sql.raw(table)}`.execute(transaction);
  }
}

/** Without "cascade": what depends on any of it makes this fail. */
async function dropSchema(transaction: Database, names: OwnNames): Promise<void> {
  const relations = await ownRelations(transaction, names);
  // First, as every claim does.
  if (relations.some(({ name }) => name === SOURCES))
    await sql`lock table ${sql.raw(SOURCES)} in access exclusive mode`.execute(transaction);
  const named = (wanted: string): string[] =>
    relations.filter(({ kind }) => kind === wanted).map(({ name }) => name);
  const drops = [
    ["routine", await ownRoutines(transaction, names)],
    ["view", named("view")],
    ["table", named("table")],
    ["sequence", named("sequence")],
  ] as const;
  for (const [kind, list] of drops) {
    if (list.length > 0) await sql.raw(`drop ${kind} ${list.join(", ")}`).execute(transaction);
  }
  await sql`drop schema autoembed`.execute(transaction);
}

function explainDependents(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError) || error.code !== DEPENDENT_OBJECTS_STILL_EXIST) return error;
  return new SetupError(
    `Something depends on what is to be removed: ${error.detail ?? error.message}`,
    `Drop or change it, then run this again: ${invocation("uninstall")}`,
    { cause: error },
  );
}
