import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { invocation } from "../invocation.ts";
import { isOwnTrigger } from "../watch/own-triggers.ts";
import { problem, warning, type Finding } from "./finding.ts";

interface Strays {
  /** Quoted, and as `watch` takes it. */
  readonly table: string;
  readonly drops: string;
  readonly isWatched: boolean;
}

/**
 * Finds triggers of ours that queue nothing, since their source is gone or watches another table: a restore of a single
 * table, or of our schema over an installed one, leaves them.
 */
export async function examineStrays(db: Database): Promise<Finding[]> {
  const { rows } = await sql<Strays>`
    select format('%I.%I', n.nspname, c.relname) as table,
      string_agg(format('drop trigger %I on %I.%I;', t.tgname, n.nspname, c.relname), ' ' order by t.tgname) as drops,
      exists (select from autoembed.embedding_source s where s.watched_table = c.oid) as "isWatched"
    from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
    where ${isOwnTrigger} and not exists (
      select from autoembed.embedding_source s
      where t.tgname ~ format('^autoembed_%s_', s.id) and (s.watched_table = c.oid
        -- A source that has lost its table says what to do.
        or not exists (select from pg_class w where w.oid = s.watched_table)))
    group by c.oid, n.nspname, c.relname order by 1`.execute(db);
  return rows.map(findingOf);
}

function findingOf({ table, drops, isWatched }: Strays): Finding {
  if (isWatched) return warning(`${table} also has triggers of a source that does not watch it.`, drops);
  return problem(
    `${table} has triggers of pg-autoembed, but no source watches it: its changes are not queued.`,
    `Drop these: ${drops} To have it embedded, after that: ${invocation("watch", [table, "--text", "COLUMN"])}, and a backfill.`,
  );
}
