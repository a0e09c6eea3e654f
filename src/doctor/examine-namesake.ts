import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { quoted } from "../database/identifier.ts";
import { invocation } from "../invocation.ts";
import type { Source } from "../sources/source.ts";
import { warning, type Finding } from "./finding.ts";

/**
 * Looks for a table that took the name of a watched one, as when a table is rebuilt next to the former and the two are
 * renamed: the triggers stay with the former. It is known by the name that `watch` gives a source, and by its key.
 */
export async function examineNamesake(db: Database, source: Source): Promise<Finding[]> {
  const { rows } = await sql<{ schema: string; table: string }>`
    select n.nspname::text as schema, c.relname::text as table
    from autoembed.embedding_source s
    join pg_class c on c.oid <> s.watched_table and c.relkind in ('r', 'p') and c.relpersistence <> 't'
    join pg_namespace n on n.oid = c.relnamespace
    where s.id = ${source.id}
      and s.name = case n.nspname when 'public' then c.relname else quote_ident(n.nspname) || '.' || c.relname end
      and not exists (select from autoembed.embedding_source w where w.watched_table = c.oid)
      and not exists (
        select from unnest(s.key_columns) k
        where k not in (select a.attname from pg_attribute a where a.attrelid = c.oid and not a.attisdropped))`.execute(
    db,
  );
  const { name, textExpression } = source;
  return rows.map(({ schema, table }) => {
    const again = invocation("watch", [`${schema}.${table}`, "--name", name, "--text", textExpression]);
    return warning(
      `it watches ${quoted(source)}, and not ${quoted({ schema, table })}, which has its name: changes of that one are not queued.`,
      `If that one took its place, watch it with the options that the source had: ${again}; then: ${invocation("backfill", ["--source", name])}`,
    );
  });
}
