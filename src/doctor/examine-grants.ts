import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { quote } from "../database/identifier.ts";
import { ok, problem, warning, type Finding } from "./finding.ts";

interface Grantee {
  /** Null for PUBLIC. */
  readonly role: string | null;
  readonly by_default: boolean;
  readonly objects: readonly string[];
}

/**
 * Finds roles that have rights in our schema and are neither an owner nor let in by `grant_listener()` or
 * `grant_search()`.
 */
export async function examineGrants(db: Database): Promise<Finding[]> {
  const { rows } = await sql<Grantee>`
    select case when g.grantee <> 0 then pg_get_userbyid(g.grantee)::text end as role, g.by_default,
      array_agg(g.object order by g.object) as objects
    from autoembed.granted_rights() g
    where g.grantee not in (select i.role from autoembed.intended_grantees() i)
      and not exists (
        select from pg_proc f where f.pronamespace = 'autoembed'::regnamespace and f.proowner = g.grantee)
    group by g.grantee, g.by_default order by role nulls first`.execute(db);
  if (rows.length === 0) return [ok("No role has rights in the schema autoembed that were not meant for it")];
  return rows.map((grantee) => (grantee.by_default ? letInByDefault(grantee) : letInByHand(grantee)));
}

function letInByDefault(grantee: Grantee): Finding {
  return problem(
    `${describe(grantee)}, by default privileges or from a restored dump.`,
    "As the owner of the schema autoembed: npm run migrate",
  );
}

/** No default privilege names the role: somebody may have granted it this on purpose, so that `migrate` leaves it. */
function letInByHand(grantee: Grantee): Finding {
  const everything = ["all tables", "all sequences", "all functions"].map(
    (all) => `${all} in schema autoembed`,
  );
  return warning(
    `${describe(grantee)}, granted by neither autoembed.grant_listener() nor autoembed.grant_search().`,
    `If it is not meant to, as the owner of the schema autoembed: ${[...everything, "schema autoembed"]
      .map((objects) => `revoke all on ${objects} from ${quote(grantee.role ?? "public")};`)
      .join(" ")}`,
  );
}

function describe({ role, objects }: Grantee): string {
  const [first = "", ...others] = objects;
  const more = others.length === 0 ? "" : ` and ${others.length} more`;
  return `${role === null ? "PUBLIC" : `The role ${role}`} has rights on ${first}${more}`;
}
