import { sql, type RawBuilder } from "kysely";
import { numbersParameter } from "../database/array-parameter.ts";
import { restorePlannerSettings } from "../database/kept-plan.ts";
import { isUnchanged } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { isDue } from "./row-state.ts";

/**
 * What a claim in turns tells of each row: its tenant, whether there are more rows than were claimed, and up to which
 * ticket it has looked for rows without a tenant.
 */
export const TURN_COLUMNS = ["tenant", "is_more", "looked_up_to"] as const;

/** Tenants that one claim takes rows of: what it costs does not grow with their number. */
const MOST_TENANTS = 32;

/** Where the next claim of a source with tenants goes on: see `TenantCursor`. */
export interface TenantRange {
  /** The tenant whose turn was last. */
  readonly start: number;
  /** The ticket above which the rows of a tenant are taken, by tenant, in their order; of others it is 0. */
  readonly heads: readonly (readonly [tenant: number, head: bigint])[];
}

/** The parameters `start`, `known` and `heads` of `claimedTickets`, in this order; none without tenants. */
export function tenantParameters(tenants: TenantRange | undefined): readonly unknown[] {
  if (tenants === undefined) return [];
  return [
    tenants.start,
    numbersParameter(tenants.heads.map(([tenant]) => tenant)),
    numbersParameter(tenants.heads.map(([, head]) => String(head))),
  ];
}

type TenantParameters = Readonly<Record<"start" | "known" | "heads", RawBuilder<unknown>>>;

/**
 * The CTEs of a claim, over `$1` owner, `$2` limit, `$3` head and `$4` tail; `claimed` has the ticket, ctid, key
 * and queued_at of what is claimed. In a source with tenants it has the `TURN_COLUMNS` besides.
 */
export function claimedTickets(source: Source, tenants: TenantParameters): RawBuilder<unknown> {
  return source.hasTenants ? inTurns(source, tenants) : oldestFirst(source);
}

function oldestFirst(source: Source): RawBuilder<unknown> {
  const due = sql`q.source_id = ${sql.lit(source.id)} and ${isDue()}`;
  return sql`registered as materialized (
      select id from autoembed.embedding_listener where id = $1 and ${restorePlannerSettings} and ${isUnchanged(source)} for key share
    ), fresh as materialized (
      select q.ctid, q.ticket from autoembed.embedding_queue q
      where exists (select from registered) and ${due} and q.ticket > $4
      order by q.ticket limit $2 for update skip locked
    ), oldest as materialized (
      select q.ctid, q.ticket from autoembed.embedding_queue q
      where exists (select from registered) and ${due} and q.ticket > $3 and q.ticket <= $4
      order by q.ticket limit $2 for update skip locked
    ), claimed as (
      update autoembed.embedding_queue set owner = $1
      where ctid = any(array((select ctid from fresh) union all (select ctid from oldest) limit $2))
      returning ticket, ctid, key, queued_at
    )`;
}

/**
 * For a source with tenants, whose rows are taken in turns: with a hundred thousand rows of one tenant
 * pending, one of another is in the next claim.
 *
 * Half of the claim is for what is fresh, whosever it is. The other rows are the oldest of each tenant, from the one after
 * `start` on. A tenant is looked for, and its rows are read, from a place in the index, so a claim costs the same whatever
 * is pending; the rows that are claimed already are passed over by `heads`. A tenant gets up to twice its share, so that
 * the claim is full where few tenants have much.
 *
 * A row without a tenant was queued before the source had tenants, or by an older version of this program. Together they
 * are one more tenant, the first in turn. No index has them apart, so a claim looks for them among the oldest rows above
 * `head`, as many as it may take: they are there, since what was queued later has a tenant.
 * Where other listeners have just claimed all of those, it takes what is behind.
 */
function inTurns(source: Source, { start, known, heads }: TenantParameters): RawBuilder<unknown> {
  const id = sql.lit(source.id);
  const due = sql`q.source_id = ${id} and ${isDue()}`;
  return sql`registered as materialized (
      select id from autoembed.embedding_listener where id = $1 and ${restorePlannerSettings} and ${isUnchanged(source)} for key share
    ), fresh as materialized (
      select q.ctid, q.ticket from autoembed.embedding_queue q
      where exists (select from registered) and ${due} and q.ticket > $4
      order by q.ticket limit ($2::int + 1) / 2 for update skip locked
    ), turns as materialized (
      select t.tenant, t.head, least($2::int, 2 * $2::int / greatest(1, count(t.tenant) over ()) + 1) as share
      from autoembed.tenants_in_turn(${id}, ${start}::int, least($2::int, ${sql.lit(MOST_TENANTS)}), ${known}::int[], ${heads}::bigint[], $4) t
      where exists (select from registered)
    ), waiting as materialized (
      select t.tenant, t.share, w.ctid, row_number() over (partition by t.tenant order by w.ticket) as turn
      from turns t cross join lateral (
        select q.ctid, q.ticket from autoembed.embedding_queue q
        where ${due} and q.tenant is not null
          and (q.tenant, q.ticket) > (t.tenant, t.head) and (q.tenant, q.ticket) <= (t.tenant, $4)
        order by q.tenant, q.ticket limit t.share for update skip locked
      ) w
    ), oldest as materialized (
      select q.ctid, q.ticket, q.tenant from autoembed.embedding_queue q
      where exists (select from registered) and ${due} and q.ticket > $3 and q.ticket <= $4
      order by q.ticket limit $2
    ), unnamed as materialized (
      select u.ctid, u.ticket from oldest o cross join lateral (
        select q.ctid, q.ticket from autoembed.embedding_queue q
        where ${due} and q.tenant is null and q.ticket = o.ticket for update skip locked
      ) u
      where o.tenant is null
    ), behind as materialized (
      select q.ctid, q.ticket from autoembed.embedding_queue q
      where exists (select from oldest where tenant is null)
        and not exists (select from unnamed) and not exists (select from waiting)
        and ${due} and q.tenant is null and q.ticket > $3 and q.ticket <= $4
      order by q.ticket limit $2 for update skip locked
    ), claimed as (
      update autoembed.embedding_queue set owner = $1
      where ctid = any(array((select ctid from fresh) union all (select t.ctid from (
          select ctid, turn, tenant from waiting
          union all select ctid, row_number() over (order by ticket), null
            from (select * from unnamed union all select * from behind) u
        ) t order by t.turn, t.tenant <= ${start}::int nulls first, t.tenant) limit $2))
      returning ticket, ctid, key, queued_at, tenant, (select max(ticket) from oldest)::text as looked_up_to,
        (exists (select from turns where tenant is null) or exists (select from waiting where turn = share)
          or (select count(*) from oldest) = $2) as is_more
    )`;
}
