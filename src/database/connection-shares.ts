/** Write-backs in flight in one listener. Two or three writers saturate one Postgres; more gain nothing. */
export const WRITERS = 3;

/** The connections of a listener, at most, in the order in which they are given where it may not have all of them. */
const OF_A_LISTENER = {
  /** Each writer, and one that claims. */
  batches: WRITERS + 1,
  /** Each writer may need one, maintenance another. */
  listener: WRITERS + 2,
  heartbeat: 1,
  notifications: 1,
} as const;

/** What its HTTP server opens in addition. */
const OF_THE_PAGE = { page: 2, counts: 1, questions: 10 } as const;

export type ShareOf = keyof typeof OF_A_LISTENER | keyof typeof OF_THE_PAGE;

/** One of each: fewer cannot do the work. */
export const FEWEST_CONNECTIONS = Object.keys(OF_A_LISTENER).length;
export const FEWEST_WITH_PAGE = FEWEST_CONNECTIONS + Object.keys(OF_THE_PAGE).length;

/**
 * How many connections each part of a listener may open.
 * @param most of all together (`EMBED_MAX_CONNECTIONS`); undefined: as many as each can use
 */
export function connectionShares(
  most: number | undefined,
  hasPage: boolean,
): Readonly<Partial<Record<ShareOf, number>>> {
  const wanted: Partial<Record<ShareOf, number>> = { ...OF_A_LISTENER, ...(hasPage ? OF_THE_PAGE : {}) };
  if (most === undefined) return wanted;
  const parts = Object.keys(wanted) as ShareOf[];
  const shares: Partial<Record<ShareOf, number>> = Object.fromEntries(parts.map((part) => [part, 1]));
  for (let left = most - parts.length; left > 0;) {
    const growing = parts.filter((part) => (shares[part] ?? 0) < (wanted[part] ?? 0)).slice(0, left);
    if (growing.length === 0) break;
    for (const part of growing) shares[part] = (shares[part] ?? 0) + 1;
    left -= growing.length;
  }
  return shares;
}

/** All connections of a listener that is not limited. */
export function wantedConnections(hasPage: boolean): number {
  return Object.values(connectionShares(undefined, hasPage)).reduce((sum, share) => sum + share, 0);
}
