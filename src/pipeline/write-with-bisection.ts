import { databaseFault, describeDatabaseError } from "../database/database-fault.ts";
import type { Claims } from "../queue/claims.ts";
import type { HeldRow } from "../queue/held-rows.ts";
import type { Outcome } from "../queue/vector-ctes.ts";
import { failRejectedWrites } from "./fail-rejected-writes.ts";

type Write = (rows: readonly HeldRow[]) => Promise<Outcome[]>;

/**
 * Writes claimed rows by one statement. Where a constraint or a user trigger refuses one of them, halves the rows until that
 * one is alone and fails; the others are written.
 * @param moment ends the reason of a row that fails
 * @returns the tickets that are written.
 */
export async function writeWithBisection(
  claims: Claims,
  tickets: readonly string[],
  moment: string,
  write: Write,
): Promise<string[]> {
  try {
    return await failRejectedWrites(claims, await write(tickets.map((ticket) => claims.held.rowOf(ticket))));
  } catch (error) {
    if (databaseFault(error) !== "row") throw error;
    if (tickets.length === 1) {
      await claims.fail(tickets, { kind: "database", reason: `${describeDatabaseError(error)} ${moment}` });
      return [];
    }
    const middle = Math.ceil(tickets.length / 2);
    return [
      ...(await writeWithBisection(claims, tickets.slice(0, middle), moment, write)),
      ...(await writeWithBisection(claims, tickets.slice(middle), moment, write)),
    ];
  }
}
