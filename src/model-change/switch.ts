import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { tableOf, vectorTableOf } from "../sources/source-sql.ts";
import { setPaused } from "../sources/set-paused.ts";
import type { Source } from "../sources/source.ts";
import { withTableLock } from "../database/with-table-lock.ts";
import { copyColumnGrants } from "./column-grants.ts";
import { viewsOver } from "./dependents.ts";
import { hasFewPending, refuseFailed, vectorsThatWouldBeLost, type Lost } from "./pending-vectors.ts";
import {
  moveSource,
  nextColumn,
  nextOf,
  previousColumn,
  previousOf,
  renameColumn,
} from "./model-change-state.ts";
import { reasonToStop } from "./run-until-paused.ts";
import { dropViews, makeViews } from "./views.ts";

export interface SwitchOptions {
  /** Although rows have failed with the new model: they are not found until they are embedded. */
  readonly force: boolean;
  /** Told what is waited for. */
  readonly onStep: (step: string) => void;
  readonly signal: AbortSignal;
}

const LOOK_MS = 100;
const TELL_MS = 10_000;
/** How long the way back waits for rows that the old model still owes: whoever embeds them is another process. */
const ROLLBACK_PATIENCE_MS = 20_000;

/**
 * Swaps the names of the two columns and of their sources, in one transaction that waits half a second for the table
 * at most and tries again: nobody queues behind it for longer. It also waits for a moment in which no row would lose
 * its vector by it. A change that is pending for the new model is no obstacle: its row has a vector, as ever.
 */
export async function switchModels(
  db: Database,
  live: Source,
  next: Source,
  { force, onStep, signal }: SwitchOptions,
): Promise<void> {
  const aside = { name: previousOf(live.name), column: previousColumn(live) };
  let told = performance.now();
  for (;;) {
    signal.throwIfAborted();
    const stopped = await reasonToStop(db, next);
    if (stopped !== undefined) throw stopped;
    if (await hasFewPending(db, next)) {
      const lost = await swap(db, { live, other: next, aside, signal }, ({ pending, failed }) => {
        if (!force) refuseFailed(failed);
        return pending === 0;
      });
      if (lost === null) return;
    }
    if (performance.now() - told > TELL_MS) {
      onStep("waiting until the new model has caught up with the changes of rows");
      told = performance.now();
    }
    await delay(LOOK_MS, undefined, { signal });
  }
}

/**
 * The same the other way round: the old vectors were kept fresh, so nothing is embedded for it.
 * @throws {SetupError} where rows that came since have no old vector, unless `force`.
 */
export async function rollBack(db: Database, live: Source, previous: Source, force = false): Promise<void> {
  const aside = { name: nextOf(live.name), column: nextColumn(live) };
  const isGood = ({ pending, failed }: Lost): boolean => force || pending + failed === 0;
  const deadline = performance.now() + ROLLBACK_PATIENCE_MS;
  for (;;) {
    const mayTry = force || (await hasFewPending(db, previous));
    const lost = mayTry ? await swap(db, { live, other: previous, aside }, isGood) : undefined;
    if (lost === null) return;
    if (performance.now() > deadline || lost?.pending === 0) {
      throw new SetupError(
        "Rows that came since the switch have no vector by the old model, so nothing was switched back.",
        `See npm run status, and npm run backfill -- --source ${previous.name}; or give --force: they will not be found by searches.`,
      );
    }
    await delay(LOOK_MS);
  }
}

interface Swap {
  readonly live: Source;
  /** Takes the place of `live`. */
  readonly other: Source;
  /** What `live` is called from then on. */
  readonly aside: { readonly name: string; readonly column: string };
  readonly signal?: AbortSignal;
}

/** @returns null, or what would be lost, where that is no good. */
async function swap(
  db: Database,
  { live, other, aside, signal }: Swap,
  isGood: (lost: Lost) => boolean,
): Promise<Lost | null> {
  // Looked at first without holding anybody up.
  const before = await vectorsThatWouldBeLost(db, live, other);
  if (!isGood(before)) return before;
  const swapping = withTableLock(
    db,
    async (transaction) => {
      // Views first: who reads through one holds it while waiting for the tables.
      const views = await viewsOver(transaction, live);
      await dropViews(transaction, views);
      await lockTables(transaction, live);
      await refuseChanged(transaction, [live, other]);
      const lost = await vectorsThatWouldBeLost(transaction, live, other);
      if (!isGood(lost)) throw new NoGood(lost);
      await copyColumnGrants(transaction, live, other.vectorColumn);
      await renameColumn(transaction, live, live.vectorColumn, aside.column);
      await renameColumn(transaction, live, other.vectorColumn, live.vectorColumn);
      await makeViews(transaction, views);
      await moveSource(transaction, live, aside.name, aside.column);
      await moveSource(transaction, other, live.name, live.vectorColumn);
      await setPaused(transaction, live.name, false);
      return null;
    },
    signal,
  );
  return await swapping.catch((error: unknown) => {
    if (error instanceof NoGood) return error.lost;
    throw error;
  });
}

/** Undoes what the transaction has done. */
class NoGood extends Error {
  readonly lost: Lost;

  constructor(lost: Lost) {
    super("rows would lose their vectors");
    this.lost = lost;
  }
}

/** Holds every writer and reader of a source off; only for as long as two names take to be swapped. */
async function lockTables(transaction: Database, source: Source): Promise<void> {
  const tables = [tableOf(source), ...(source.vectorTable === null ? [] : [vectorTableOf(source)])];
  await sql`lock table ${sql.join(tables)} in access exclusive mode`.execute(transaction);
}

/** @throws {SetupError} where another process has switched, or given up, meanwhile. */
async function refuseChanged(transaction: Database, sources: readonly Source[]): Promise<void> {
  for (const { id, name, vectorColumn } of sources) {
    const same = await transaction
      .selectFrom("autoembed.embedding_source")
      .select("id")
      .where("id", "=", id)
      .where("name", "=", name)
      .where("vector_column", "=", vectorColumn)
      .forUpdate()
      .executeTakeFirst();
    if (same === undefined) {
      throw new SetupError(
        `${name} was switched or given up meanwhile, by another process: nothing is left to do here.`,
        "npm run sources shows where each source stands.",
      );
    }
  }
}
