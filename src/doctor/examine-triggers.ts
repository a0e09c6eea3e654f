import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { invocation } from "../invocation.ts";
import type { Source } from "../sources/source.ts";
import { ok, problem, type Finding } from "./finding.ts";

/** Checks that a source has its triggers, enabled in each partition, as this version makes them. */
export async function examineTriggers(
  db: Database,
  { id, name, schema, table }: Pick<Source, "id" | "name" | "schema" | "table">,
): Promise<Finding[]> {
  const { rows } = await sql<{ wanted: string; relation: string | null; enabled: string | null }>`
    select w.wanted, t.tgenabled::text as enabled, (
      select format('"%s"."%s"', replace(n.nspname, '"', '""'), replace(c.relname, '"', '""'))
      from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = t.tgrelid) as relation
    from (select format('autoembed_%s_%s', ${id}::int, event) as wanted from unnest(array['insert', 'update', 'delete', 'truncate']) event) w
    left join pg_trigger t on t.tgname = w.wanted and (t.tgrelid = format('%I.%I', ${schema}::text, ${table}::text)::regclass
      -- A partition has triggers by row of its own, which can be disabled alone.
      or t.tgrelid in (select relid from pg_partition_tree(format('%I.%I', ${schema}::text, ${table}::text)::regclass)))
    order by t.tgrelid, w.wanted`.execute(db);
  const missing = rows.filter(({ enabled }) => enabled === null);
  const disabled = rows.filter(({ enabled }) => enabled === "D" || enabled === "R");
  const backfill = `then: ${invocation("backfill", ["--source", name])}`;
  if (missing.length > 0) {
    return [
      problem(
        `${missing.map(({ wanted }) => wanted).join(", ")} missing: changes are not queued.`,
        `select autoembed.install_triggers(s) from autoembed.embedding_source s where id = ${id}; ${backfill}`,
      ),
    ];
  }
  if (disabled.length > 0) {
    const relations = [...new Set(disabled.map(({ relation }) => String(relation)))];
    const enable = disabled.map(
      ({ relation, wanted }) => `alter table ${relation} enable trigger ${wanted};`,
    );
    return [
      problem(
        `the triggers are disabled on ${relations.join(", ")}: changes are not queued.`,
        `${enable.join(" ")} ${backfill}`,
      ),
    ];
  }
  const outdated = await outdatedTriggers(db, id);
  if (outdated.length > 0) {
    return [
      problem(
        `outdated: ${outdated.join(", ")}.`,
        `As the owner of the schema autoembed: ${invocation("migrate")}`,
      ),
    ];
  }
  return [ok("the triggers are installed, enabled and up to date")];
}

/** By comparing what is installed with what would be installed now. */
async function outdatedTriggers(db: Database, id: number): Promise<readonly string[]> {
  const { rows } = await sql<{ outdated: string[] }>`
    select autoembed.outdated_triggers(s) as outdated from autoembed.embedding_source s where s.id = ${id}`.execute(
    db,
  );
  return rows[0]?.outdated ?? [];
}
