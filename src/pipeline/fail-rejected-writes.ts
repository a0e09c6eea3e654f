import type { Claims } from "../queue/claims.ts";
import type { Outcome } from "../queue/vector-ctes.ts";

const REASON =
  "the table took the write of the vector and did not keep it: look for a BEFORE trigger of yours that returns null or sets the vector";

/**
 * Marks rows as failed whose vector write a user trigger dropped or altered, without an error: otherwise they would be
 * retried for ever.
 * @returns the tickets of the others, which are written.
 */
export async function failRejectedWrites(claims: Claims, outcomes: readonly Outcome[]): Promise<string[]> {
  const rejected = outcomes.filter(({ written }) => !written).map(({ ticket }) => ticket);
  await claims.fail(rejected, { kind: "database", reason: REASON });
  return outcomes.filter(({ written }) => written).map(({ ticket }) => ticket);
}
