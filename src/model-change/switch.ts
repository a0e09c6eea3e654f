import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { nextOf, previousOf } from "../sources/model-change-names.ts";
import { tableOf, vectorTableOf } from "../sources/source-sql.ts";
import { setPaused } from "../sources/set-paused.ts";
import type { Source } from "../sources/source.ts";
import { withTableLock } from "../database/with-table-lock.ts";
import { copyColumnGrants } from "./column-grants.ts";
import { swapComments } from "./column-comments.ts";
import { viewsOver } from "./dependents.ts";
import { hasFewPending, refuseFailed, vectorsThatWouldBeLost, type Lost } from "./pending-vectors.ts";
import { nextColumn, previousColumn, renameColumn, renameSource } from "./model-change-state.ts";
import { reasonToStop } from "./run-until-paused.ts";
import { dropViews, makeViews } from "./views.ts";

export interface SwitchOptions {
  /** Switches even if rows have failed with the new model. Searches do not find them until they are embedded. */
  readonly force: boolean;
  /** Receives what the switch is waiting for. */
  readonly onStep: (step: string) => void;
  readonly signal: AbortSignal;
}

const POLL_MS = 100;
const REPORT_MS = 10_000;
/** How long a rollback waits for rows that are pending for the old model. A running listener embeds them. */
const ROLLBACK_WAIT_MS = 20_000;

/**
 * Swaps the names of the two columns and of their sources in one transaction. The transaction waits at most half a
 * second for the table's lock and then tries again, so that no user's statement queues behind it for longer. It also
 * waits for a moment in which no row would lose its vector. A pending change is no obstacle if its row has a vector of
 * the new model.
 */
export async function switchModels(
  db: Database,
  live: Source,
  next: Source,
  { force, onStep, signal }: SwitchOptions,
): Promise<void> {
  const aside = { name: previousOf(live.name), column: previousColumn(live) };
  let reportedAt = performance.now();
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
    if (performance.now() - reportedAt > REPORT_MS) {
      onStep("waiting until the new model has embedded the latest changes");
      reportedAt = performance.now();
    }
    await delay(POLL_MS, undefined, { signal });
  }
}

/**
 * Switches back. The old vectors were kept fresh, so nothing has to be embedded.
 * @throws {SetupError} if rows inserted since the switch have no vector of the old model, unless `force` is set.
 */
export async function rollBack(db: Database, live: Source, previous: Source, force = false): Promise<void> {
  const aside = { name: nextOf(live.name), column: nextColumn(live) };
  const isAcceptable = ({ pending, failed }: Lost): boolean => force || pending + failed === 0;
  const deadline = performance.now() + ROLLBACK_WAIT_MS;
  for (;;) {
    const mayTry = force || (await hasFewPending(db, previous));
    const lost = mayTry ? await swap(db, { live, other: previous, aside }, isAcceptable) : undefined;
    if (lost === null) return;
    if (performance.now() > deadline || lost?.pending === 0) {
      throw new SetupError(
        "Rows inserted since the switch have no vector of the old model, so nothing was switched back.",
        `See ${invocation("status")}, and run ${invocation("backfill", ["--source", previous.name])}. Or give --force: searches will then not find these rows.`,
      );
    }
    await delay(POLL_MS);
  }
}

interface Swap {
  readonly live: Source;
  /** The source that replaces `live`. */
  readonly other: Source;
  /** The new name and column of `live`. */
  readonly aside: { readonly name: string; readonly column: string };
  readonly signal?: AbortSignal;
}

/** @returns null after the swap, or the rows that would be lost if `isAcceptable` refuses them. */
async function swap(
  db: Database,
  { live, other, aside, signal }: Swap,
  isAcceptable: (lost: Lost) => boolean,
): Promise<Lost | null> {
  // First without a lock.
  const before = await vectorsThatWouldBeLost(db, live, other);
  if (!isAcceptable(before)) return before;
  const swapping = withTableLock(
    db,
    async (transaction) => {
      // Views first: a query that reads through a view locks it before it waits for the tables.
      const views = await viewsOver(transaction, live);
      await dropViews(transaction, views);
      await lockTables(transaction, live);
      await refuseChanged(transaction, [live, other]);
      const lost = await vectorsThatWouldBeLost(transaction, live, other);
      if (!isAcceptable(lost)) throw new WouldLoseRows(lost);
      await copyColumnGrants(transaction, live, other.vectorColumn);
      await swapComments(transaction, live, other);
      await renameColumn(transaction, live, live.vectorColumn, aside.column);
      await renameColumn(transaction, live, other.vectorColumn, live.vectorColumn);
      await makeViews(transaction, views);
      await renameSource(transaction, live, aside.name, aside.column);
      await renameSource(transaction, other, live.name, live.vectorColumn);
      await setPaused(transaction, live.name, false);
      return null;
    },
    signal,
  );
  return await swapping.catch((error: unknown) => {
    if (error instanceof WouldLoseRows) return error.lost;
    throw error;
  });
}

/** Thrown to roll the transaction back. */
class WouldLoseRows extends Error {
  readonly lost: Lost;

  constructor(lost: Lost) {
    super("rows would lose their vectors");
    this.lost = lost;
  }
}

/** Blocks all writers and readers of a source, only while its names are swapped. */
async function lockTables(transaction: Database, source: Source): Promise<void> {
  const tables = [tableOf(source), ...(source.vectorTable === null ? [] : [vectorTableOf(source)])];
  await sql`lock table ${sql.join(tables)} in access exclusive mode`.execute(transaction);
}

/** @throws {SetupError} if another process has switched or dropped one of the sources. */
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
        `Another process has switched or dropped ${name}: nothing is left to do here.`,
        `${invocation("sources")} shows where each source stands.`,
      );
    }
  }
}
