import { sql } from "kysely";
import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "../database/connect.ts";
import { keyMatches, rowsWithVectors, vectorTableOf } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { patiently } from "../watch/patiently.ts";
import { keepingViews, lockTables } from "./views.ts";
import { moveSource, nextOf, previousOf, renameColumn } from "./remodelling.ts";

/** Rows that the new model may owe when the table is taken: few enough to be looked at while everybody waits. */
const MOST_PENDING = 500;
const LOOK_MS = 100;

/**
 * Swaps the names of the two columns and of their sources, in one transaction that waits half a second for the table
 * at most and tries again: nobody queues behind it for longer. It also waits for a moment in which no row would lose
 * its vector by it. A change that is pending for the new model is no obstacle: its row has a vector, as ever.
 */
export async function switchModels(
  db: Database,
  live: Source,
  next: Source,
  signal: AbortSignal,
): Promise<void> {
  const kept = `${live.vectorColumn}_previous`;
  for (;;) {
    signal.throwIfAborted();
    if (await hasFewPending(db, next)) {
      const switched = await patiently(
        db,
        async (transaction) => {
          await lockTables(transaction, live);
          if (await someRowWouldLose(transaction, live, next)) return false;
          await keepingViews(transaction, live, async () => {
            await renameColumn(transaction, live, live.vectorColumn, kept);
            await renameColumn(transaction, live, next.vectorColumn, live.vectorColumn);
          });
          await moveSource(transaction, live, previousOf(live.name), kept);
          await moveSource(transaction, next, live.name, live.vectorColumn);
          await sql`select pg_notify('embedding_queue', '')`.execute(transaction);
          return true;
        },
        signal,
      );
      if (switched) return;
    }
    await delay(LOOK_MS, undefined, { signal });
  }
}

/** The same the other way round: the old vectors were kept fresh, so nothing is embedded for it. */
export async function rollBack(db: Database, live: Source, previous: Source): Promise<void> {
  const next = `${live.vectorColumn}_next`;
  await patiently(db, async (transaction) => {
    await lockTables(transaction, live);
    await keepingViews(transaction, live, async () => {
      await renameColumn(transaction, live, live.vectorColumn, next);
      await renameColumn(transaction, live, previous.vectorColumn, live.vectorColumn);
    });
    await moveSource(transaction, live, nextOf(live.name), next);
    await moveSource(transaction, previous, live.name, live.vectorColumn);
    await sql`select pg_notify('embedding_queue', '')`.execute(transaction);
  });
}

/** Drops a source and its column, with the indexes on it. */
export async function dropModel(db: Database, source: Source): Promise<void> {
  await patiently(db, async (transaction) => {
    await sql`select embed_unwatch(${source.name})`.execute(transaction);
    await sql`alter table ${vectorTableOf(source)} drop column ${sql.id(source.vectorColumn)}`.execute(
      transaction,
    );
  });
}

async function hasFewPending(db: Database, next: Source): Promise<boolean> {
  const { rows } = await sql`
    select from embedding_queue where source_id = ${next.id} and failed_at is null limit ${MOST_PENDING + 1}`.execute(
    db,
  );
  return rows.length <= MOST_PENDING;
}

/** Whatever has no new vector is in the queue, pending or failed; failed rows were accepted by then. */
async function someRowWouldLose(db: Database, live: Source, next: Source): Promise<boolean> {
  const { rows } = await sql`
    select from embedding_queue q
    join ${rowsWithVectors(live)} b on ${keyMatches(live, "b", "q")}
    join ${rowsWithVectors(next)} a on ${keyMatches(next, "a", "q")}
    where q.source_id = ${next.id} and q.failed_at is null and b.vector is not null and a.vector is null limit 1`.execute(
    db,
  );
  return rows.length > 0;
}
