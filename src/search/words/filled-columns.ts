import { sql } from "kysely";
import type { Database } from "../../database/connect.ts";
import { quote } from "../../database/identifier.ts";
import { neverNull } from "../../database/never-null.ts";
import type { Source } from "../../sources/source.ts";

/** Without a backslash, which a caller's session may take for an escape. */
const NUL = sql`decode('00', 'hex')`;

interface FillingTrigger {
  /** What it was made with, each ended by a NUL: the column, the text search configuration with its schema, the columns of text. In hex. */
  readonly arguments: string;
}

/**
 * Columns that Postgres's own trigger `tsvector_update_trigger` fills with words, by their name as an index prints it; and the words as
 * SQL, as if Postgres generated them. They are those of every row: the trigger is enabled, comes at each insert and each update, and before
 * no other that could change the text; and no row was left out, such as those from before the trigger, as far as the statistics know.
 * At an update it looks only at whether the statement sets a column of the text: one that another trigger sets, before or after, it does
 * not see; nor a generated one, which is computed later.
 */
export async function filledColumns(
  db: Database,
  { oid }: Pick<Source, "oid">,
): Promise<ReadonlyMap<string, string>> {
  const { rows } = await sql<FillingTrigger & { readonly name: string }>`
    select quote_ident(a.attname) as name, encode(t.tgargs, 'hex') as arguments
    from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = t.tgrelid
    where t.tgrelid = ${oid}::int8::oid and c.relkind = 'r' and not c.relhassubclass
      and t.tgfoid = to_regprocedure('pg_catalog.tsvector_update_trigger()')
      -- By row (1), before (2), of an insert (4) and of an update (16).
      and t.tgtype & 23 = 23 and t.tgenabled in ('O', 'A') and t.tgqual is null and cardinality(t.tgattr::int2[]) = 0
      and not exists (select from pg_trigger o where o.tgrelid = t.tgrelid and o.oid <> t.oid and o.tgtype & 3 = 3
        and o.tgenabled <> 'D' and (o.tgtype & 16 = 16 or o.tgname > t.tgname))
      and not exists (select from pg_attribute g where g.attrelid = t.tgrelid and g.attgenerated <> ''
        and position(${NUL} || convert_to(g.attname, getdatabaseencoding()) || ${NUL} in t.tgargs) > 0)
      and a.atttypid = 'tsvector'::regtype and not a.attisdropped and not a.atthasdef
      and convert_to(a.attname, getdatabaseencoding()) = substr(t.tgargs, 1, position(${NUL} in t.tgargs) - 1)
      and (${neverNull("a")} or exists (select from pg_stats s where s.schemaname = n.nspname and s.tablename = c.relname
        and s.attname = a.attname and s.null_frac = 0))`.execute(db);
  return new Map(rows.map((row) => [row.name, wordsOf(row)]));
}

function wordsOf(trigger: FillingTrigger): string {
  const [, configuration = "", ...columns] = Buffer.from(trigger.arguments, "hex")
    .toString()
    .split("\0")
    .slice(0, -1);
  const texts = columns.map((column) => `coalesce(${quote(column)}, '')`);
  return `to_tsvector('${configuration.replaceAll("'", "''")}'::regconfig, ${texts.join(" || ' ' || ")})`;
}
