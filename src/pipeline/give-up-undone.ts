import type { Outcome } from "../queue/vector-ctes.ts";
import type { SourceContext } from "./source-context.ts";

const REASON =
  "the table took the write of the vector and did not keep it: look for a BEFORE trigger of yours that returns null or sets the vector";

/**
 * Gives up rows that the table did not let have their vector, without an error: they would be asked for again and again.
 * @returns the tickets of the others, which are done.
 */
export async function giveUpUndone(
  work: Pick<SourceContext, "claims" | "events" | "source">,
  outcomes: readonly Outcome[],
): Promise<string[]> {
  const undone = outcomes.filter(({ done }) => !done).map(({ ticket }) => ticket);
  if (undone.length > 0) {
    const rows = await work.claims.fail(undone, REASON);
    work.events.emit("failed", { source: work.source.name, rows, kind: "database", reason: REASON });
  }
  return outcomes.filter(({ done }) => done).map(({ ticket }) => ticket);
}
