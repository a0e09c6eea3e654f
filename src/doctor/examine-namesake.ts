import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { quoted, type TableName } from "../database/identifier.ts";
import { invocation } from "../invocation.ts";
import { isChunked, type ChunkedSource } from "../sources/chunked-source.ts";
import type { Source } from "../sources/source.ts";
import { warning, type Finding } from "./finding.ts";

/**
 * Looks for a table that took the name of a watched one, as when a table is rebuilt next to the former and the two are
 * renamed: the triggers stay with the former. It is known by the name that `watch` gives a source, and by having what the
 * source reads and writes in the former: the key (an integer may be longer now), the text's column, and the vectors that are not apart.
 */
export async function examineNamesake(db: Database, source: Source | ChunkedSource): Promise<Finding[]> {
  const { rows } = await sql<{ schema: string; table: string }>`
    select n.nspname::text as schema, c.relname::text as table
    from autoembed.embedding_source s
    join pg_class c on c.oid <> s.watched_table and c.relkind in ('r', 'p') and c.relpersistence <> 't'
    join pg_namespace n on n.oid = c.relnamespace
    where s.id = ${source.id}
      and s.name = case n.nspname when 'public' then c.relname else quote_ident(n.nspname) || '.' || c.relname end
      -- Another source has the place that this one would have there.
      and not exists (select from autoembed.embedding_source w where w.watched_table = c.oid
        and w.vector_column = s.vector_column and w.vector_table is not distinct from s.vector_table)
      and not exists (
        select from pg_attribute a
        cross join lateral (select a.attname = any(s.key_columns) as is_key) k
        where a.attrelid = s.watched_table and not a.attisdropped
          and (is_key or quote_ident(a.attname) = s.text_expression or s.vector_table is null and a.attname = s.vector_column)
          and not exists (select from pg_attribute b where b.attrelid = c.oid and b.attname = a.attname
            and not b.attisdropped and (not is_key or ${categoryOf("b")} = ${categoryOf("a")})))`.execute(db);
  return rows.map((namesake) =>
    warning(
      `it watches ${quoted(source)}, and not ${quoted(namesake)}, which has its name: changes of that one are not queued.`,
      `If that one took its place, watch it with the options that the source had: ${invocation("watch", watchAgain(source, namesake))}; then: ${invocation("backfill", ["--source", source.name])}`,
    ),
  );
}

/** What sort of type a column of `pg_attribute` has: tables are rebuilt to give their keys another type of the same sort. */
function categoryOf(column: "a" | "b"): RawBuilder<unknown> {
  return sql`(select y.typcategory from pg_type y where y.oid = ${sql.ref(`${column}.atttypid`)})`;
}

/** What `watch` was given before, but for its model. */
function watchAgain(source: Source | ChunkedSource, { schema, table }: TableName): readonly string[] {
  const { name, textExpression, key, vectorColumn, vectorTable, tenantColumn } = source;
  return [
    ...[`${schema}.${table}`, "--name", name, "--text", textExpression],
    ...key.flatMap((column) => ["--key", column.name]),
    ...(vectorColumn === "embedding" ? [] : ["--vector", vectorColumn]),
    ...(vectorTable === null ? [] : ["--into", `${vectorTable.schema}.${vectorTable.table}`]),
    ...(isChunked(source) ? chunkOptions(source) : []),
    ...(tenantColumn === null ? [] : ["--tenant", tenantColumn]),
  ];
}

function chunkOptions({ chunkSettings: { chunk, overlap, unit } }: ChunkedSource): readonly string[] {
  return ["--chunk", String(chunk), "--overlap", String(overlap), "--unit", unit];
}
