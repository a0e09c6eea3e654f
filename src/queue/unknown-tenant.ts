import { sql, type RawBuilder } from "kysely";
import type { Source } from "../sources/source.ts";

/**
 * The tenant of rows that no trigger queues. In a source with tenants they share one turn: a backfill of texts in
 * chunks is one tenant more, and the changes of all others go on next to it.
 */
export function unknownTenant({ hasTenants }: Pick<Source, "hasTenants">): RawBuilder<number | null> {
  return hasTenants ? sql`0` : sql`null::int`;
}
