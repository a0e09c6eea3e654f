import { sql } from "kysely";

/** The name of a trigger function of a source. */
export const TRIGGER_FUNCTION = sql`'^source_[0-9]+_(insert|row|delete|truncate)$'`;
const TRIGGER = sql`'^autoembed_[0-9]+_(insert|update|delete|truncate)$'`;

/** Triggers `t` of ours, on whatever table; those of its partitions follow them. */
export const isOwnTrigger = sql<boolean>`(not t.tgisinternal and t.tgparentid = 0 and t.tgname ~ ${TRIGGER} and exists (
        select from pg_proc p where p.oid = t.tgfoid and p.pronamespace = 'autoembed'::regnamespace
          and p.proname ~ ${TRIGGER_FUNCTION}))`;
