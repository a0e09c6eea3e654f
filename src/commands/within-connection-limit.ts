import type { Config } from "../config.ts";
import { connectionLimit } from "../database/connection-limit.ts";
import { FEWEST_CONNECTIONS, FEWEST_WITH_PAGE, wantedConnections } from "../database/connection-shares.ts";
import { hasOwnSessions } from "../database/pools.ts";

/**
 * Settings under which a listener opens no more connections than its role may have.
 * @param onWarning receives one sentence if that is fewer than it would open
 */
export async function withinConnectionLimit<C extends Config & { readonly DATABASE_URL: string }>(
  config: C,
  onWarning: (warning: string) => void,
): Promise<C> {
  // A pooler shares few connections among many clients; how many it has is not known here.
  if (!hasOwnSessions(config)) return config;
  const hasPage = config.EMBED_HTTP_PORT !== undefined;
  const wanted = config.EMBED_MAX_CONNECTIONS ?? wantedConnections(hasPage);
  const { connections: limit, of } = await connectionLimit(config.DATABASE_URL);
  if (limit >= wanted) return config;
  const fewest = hasPage ? FEWEST_WITH_PAGE : FEWEST_CONNECTIONS;
  const does = limit < fewest ? `needs at least ${fewest}` : `uses no more than these, of ${wanted}`;
  onWarning(
    `${of} may have ${limit} ${limit === 1 ? "connection" : "connections"}, and this listener ${does}. ` +
      "Raise the limit, or share it among the listeners: EMBED_MAX_CONNECTIONS",
  );
  return { ...config, EMBED_MAX_CONNECTIONS: Math.max(limit, fewest) };
}
