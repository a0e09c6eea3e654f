import { databaseFault, describeDatabaseError } from "../database/database-fault.ts";
import { giveUpUndone } from "./give-up-undone.ts";
import { writeCached } from "../queue/write-cached.ts";
import type { SourceContext } from "./source-context.ts";

/**
 * Gives rows their cached vectors. Where a constraint or a trigger of the user refuses one row, the batch is halved
 * until that row stands alone and is given up; the others get theirs.
 * @returns the tickets that are done.
 */
export async function settleIsolating(work: SourceContext, tickets: readonly string[]): Promise<string[]> {
  try {
    const ctids = work.claims.ctids(tickets);
    return await giveUpUndone(
      work,
      await writeCached(work.batches, work.source, tickets, ctids, work.cacheModel),
    );
  } catch (error) {
    if (databaseFault(error) !== "row") throw error;
    const [only, ...others] = tickets;
    if (only !== undefined && others.length === 0) {
      const reason = `${describeDatabaseError(error)} when the vector was written`;
      const rows = await work.claims.fail([only], reason);
      work.events.emit("failed", { source: work.source.name, rows, kind: "database", reason });
      return [];
    }
    const middle = Math.ceil(tickets.length / 2);
    return [
      ...(await settleIsolating(work, tickets.slice(0, middle))),
      ...(await settleIsolating(work, tickets.slice(middle))),
    ];
  }
}
