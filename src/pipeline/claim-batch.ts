import { mayBeCommitted } from "../database/database-fault.ts";
import type { Source } from "../sources/source.ts";
import type { Claimed, ClaimLedger } from "../queue/claim-ledger.ts";
import type { Events } from "../events.ts";

/** Under which `embedding_listener.id` rows are claimed. */
export interface Claimant {
  id(): Promise<number>;
  /** A claim under that id got no answer: nobody knows what it owns now. */
  claimOutcomeUnknown(id: number): void;
}

interface Claiming {
  readonly source: Pick<Source, "name">;
  readonly claims: ClaimLedger;
  readonly events: Events;
}

/** Claims rows by `claim` and holds them as this process's own. */
export async function claimBatch<Row extends Claimed>(
  { source, claims, events }: Claiming,
  owner: Claimant,
  claim: (owner: number) => Promise<Row[]>,
): Promise<Row[]> {
  const id = await owner.id();
  const rows = await claims.make(id, claim).catch((error: unknown) => {
    if (mayBeCommitted(error)) owner.claimOutcomeUnknown(id);
    throw error;
  });
  if (rows.length > 0) events.emit("claimed", { source: source.name, rows: rows.length });
  return rows;
}
