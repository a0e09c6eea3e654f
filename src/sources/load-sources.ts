import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { databaseFault } from "../database/database-fault.ts";
import type { ChunkSettings } from "../chunks/chunk-settings.ts";
import { isChunked, type ChunkedSource } from "./chunked-source.ts";
import { watchedRows } from "./source-sql.ts";
import type { BrokenSource, KeyColumn, Source } from "./source.ts";

interface SourceRow {
  readonly id: number;
  readonly name: string;
  readonly schema: string | null;
  readonly table: string | null;
  readonly oid: number;
  /** It became a partition after it was watched: its triggers do not see what comes in through its parent. */
  readonly misses_inserts: boolean;
  readonly key: readonly {
    readonly name: string;
    readonly type: string | null;
    readonly operators: string;
    /** The name and the type stand in the table of the vectors as well. */
    readonly beside: boolean;
  }[];
  readonly is_looked_up: boolean;
  readonly text_expression: string;
  readonly text_is_column: boolean;
  readonly vector_column: string;
  /** `{schema, table, oid}` of the table of the vectors; schema and table are null where it was dropped. */
  readonly vector_table: {
    readonly schema: string | null;
    readonly table: string | null;
    readonly oid: number;
  } | null;
  readonly passages: ChunkSettings | null;
  /** Of a text in passages: the source that embeds them; null where there is none. */
  readonly embedded_by: number | null;
  readonly vector_type: string | null;
  readonly vector_schema: string | null;
  readonly column_dimensions: number | null;
  readonly backend: string | null;
  readonly model: string | null;
  readonly dimensions: number | null;
  readonly settings: Record<string, unknown>;
  readonly paused: boolean;
  /** The table whose rows it hides from this role; null where none are hidden. */
  readonly hidden_by_row_security: string | null;
  /** A rule on the table of the vectors, beside which Postgres refuses to write them or writes something else. */
  readonly rule: string | null;
}

export interface Sources {
  /** What has texts to embed. */
  readonly usable: readonly Source[];
  /** What has texts to cut into passages. */
  readonly chunked: readonly ChunkedSource[];
  readonly broken: readonly BrokenSource[];
}

/** Reads all sources as their tables are now: a dropped or renamed part makes one source broken, and no other. */
export async function loadSources(db: Database): Promise<Sources> {
  const { rows } = await sql<SourceRow>`
    select s.id, s.name, n.nspname as schema, c.relname as table, s.watched_table::oid as oid, s.text_expression, s.vector_column,
      exists (select from pg_attribute x where x.attrelid = c.oid and quote_ident(x.attname) = s.text_expression
        and not x.attisdropped) as text_is_column,
      c.relispartition and exists (select from pg_trigger g
        where g.tgrelid = c.oid and g.tgname = format('autoembed_%s_insert', s.id) and g.tgnewtable is not null) as misses_inserts,
      case when s.vector_table is not null then
        jsonb_build_object('schema', vn.nspname, 'table', vc.relname, 'oid', s.vector_table::oid::int8) end as vector_table,
      (select jsonb_agg(jsonb_build_object('name', k.name, 'type', format_type(a.atttypid, -1), 'operators', coalesce((
            select n.nspname from pg_type y join pg_opclass c on c.opcintype = coalesce(nullif(y.typbasetype, 0), y.oid)
            join pg_am m on m.oid = c.opcmethod and m.amname = 'btree'
            join pg_amop o on o.amopfamily = c.opcfamily and o.amopstrategy = 3
              and o.amoplefttype = c.opcintype and o.amoprighttype = c.opcintype
            join pg_operator e on e.oid = o.amopopr join pg_namespace n on n.oid = e.oprnamespace
            where y.oid = a.atttypid and c.opcdefault), 'pg_catalog'), 'beside',
          exists (select from pg_attribute b where b.attrelid = coalesce(s.vector_table, s.watched_table)
            and b.attname = k.name and b.atttypid = a.atttypid and not b.attisdropped)) order by k.n)
       from unnest(s.key_columns) with ordinality as k(name, n)
       left join pg_attribute a on a.attrelid = c.oid and a.attname = k.name and not a.attisdropped) as key,
      cardinality(s.key_columns) = 1 and not exists (
        select from unnest(array[c.oid, vc.oid]) t(oid) join pg_class r on r.oid = t.oid
        join pg_attribute a on a.attrelid = t.oid and a.attname = s.key_columns[1]
        where r.relkind <> 'r' or exists (select from pg_inherits h where h.inhparent = t.oid)
          or (select y.typcategory from pg_type y where y.oid = a.atttypid) = 'A' or not exists (
            select from pg_index i join pg_class x on x.oid = i.indexrelid join pg_am m on m.oid = x.relam
            where i.indrelid = t.oid and i.indisunique and i.indisvalid and i.indpred is null and m.amname = 'btree'
              and i.indkey[0] = a.attnum and i.indcollation[0] = a.attcollation)
          or exists (select from pg_index i where i.indrelid = t.oid and a.attnum = any((i.indkey::int2[])[1:]))) as is_looked_up,
      y.typname as vector_type, yn.nspname as vector_schema, nullif(v.atttypmod, -1) as column_dimensions,
      s.backend, s.model, s.dimensions, s.settings, s.paused, s.passages, (
        select p.id from autoembed.embedding_source p
        where s.passages is not null and p.watched_table = s.vector_table and p.vector_column = s.vector_column
        order by p.id limit 1) as embedded_by,
      (select t.oid::regclass::text from (values (c.oid, '{r,w}'), (vc.oid, '{r,w,a,d}')) t(oid, commands)
        where autoembed.hides_rows(t.oid, t.commands::"char"[]) limit 1) as hidden_by_row_security,
      (select quote_ident(r.rulename) || ' on ' || r.ev_class::regclass from pg_rewrite r
        where r.ev_class = coalesce(s.vector_table, s.watched_table) and r.ev_enabled in ('O', 'A')
          and (r.ev_type = '2' or (s.vector_table is not null and r.ev_type in ('3', '4'))) limit 1) as rule
    from autoembed.embedding_source s
    left join pg_class c on c.oid = s.watched_table
    left join pg_namespace n on n.oid = c.relnamespace
    left join pg_class vc on vc.oid = s.vector_table
    left join pg_namespace vn on vn.oid = vc.relnamespace
    left join pg_attribute v on v.attrelid = coalesce(s.vector_table, s.watched_table) and v.attname = s.vector_column and not v.attisdropped
    left join pg_type y on y.oid = v.atttypid
    left join pg_namespace yn on yn.oid = y.typnamespace
    order by s.id`.execute(db);
  const usable: Source[] = [];
  const chunked: ChunkedSource[] = [];
  const broken: BrokenSource[] = [];
  for (const row of rows) {
    const source = toSource(row);
    const trouble = "trouble" in source ? source.trouble : await textTrouble(db, source, row.text_is_column);
    if ("trouble" in source || trouble !== null)
      broken.push({ id: row.id, name: row.name, trouble: trouble ?? "" });
    else if (isChunked(source)) chunked.push(source);
    else usable.push(source);
  }
  return { usable, chunked, broken };
}

/** Whether the text can still be read: a column that it names may have been renamed or dropped. */
async function textTrouble(db: Database, source: Source, isColumn: boolean): Promise<string | null> {
  if (isColumn) return null;
  try {
    await sql`select from ${watchedRows(source)} t where t.content is null limit 0`.execute(db);
    return null;
  } catch (error) {
    if (databaseFault(error) === "server") throw error;
    return `the text ${source.textExpression} cannot be read from ${source.schema}.${source.table} any more: a column was renamed or dropped. Watch it again under this name (changes are still queued)`;
  }
}

function toSource(row: SourceRow): Source | ChunkedSource | BrokenSource {
  const trouble = (text: string): BrokenSource => ({ id: row.id, name: row.name, trouble: text });
  if (row.schema === null || row.table === null) {
    return trouble(`its table was dropped: run \`npm run unwatch -- ${row.name}\``);
  }
  const watched = `${row.schema}.${row.table}`;
  const vectorTable = row.vector_table === null ? null : present(row.vector_table);
  if (vectorTable === undefined) {
    return trouble(
      `the table of its vectors was dropped: watch ${watched} again with --into, which makes it anew, and backfill (changes are still queued)`,
    );
  }
  if (row.misses_inserts) {
    return trouble(
      `${watched} became a partition after it was watched, and what comes in through its parent is not seen: watch it again under this name, and backfill`,
    );
  }
  const beside = vectorTable === null ? watched : `${vectorTable.schema}.${vectorTable.table}`;
  const lost = (table: string, column: string): BrokenSource =>
    trouble(
      `${table} has no column ${column} any more: watch it again with the new name (changes are still queued)`,
    );
  const lostKey = row.key.find((column) => column.type === null);
  if (lostKey !== undefined) return lost(watched, lostKey.name);
  const apart = row.key.find((column) => !column.beside);
  if (apart !== undefined) {
    return trouble(
      `the key column ${apart.name} of ${watched} is not in ${beside}, or of another type there: give it the same name and type in both (changes are still queued)`,
    );
  }
  if (row.vector_type === null) return lost(beside, row.vector_column);
  if (row.vector_type !== "vector" && row.vector_type !== "halfvec") {
    return trouble(`column ${row.vector_column} is ${row.vector_type}, neither vector nor halfvec`);
  }
  if (row.hidden_by_row_security !== null) {
    return trouble(
      `row-level security hides rows of ${row.hidden_by_row_security} from this role: give it a policy "using (true)", or BYPASSRLS`,
    );
  }
  if (row.rule !== null) {
    return trouble(
      `Postgres cannot write vectors beside the rule ${row.rule}: drop it, and put a trigger in its place (changes are still queued)`,
    );
  }
  const source: Source = {
    id: row.id,
    name: row.name,
    oid: row.oid,
    schema: row.schema,
    table: row.table,
    key: row.key.map(({ name, type, operators }): KeyColumn => ({ name, type: type ?? "", operators })),
    hasSingleKeyLookup: row.is_looked_up,
    textExpression: row.text_expression,
    textIsColumn: row.text_is_column,
    vectorColumn: row.vector_column,
    vectorTable,
    vectorType: row.vector_type,
    vectorSchema: row.vector_schema ?? "",
    columnDimensions: row.column_dimensions,
    backend: row.backend,
    model: row.model,
    dimensions: row.dimensions,
    settings: row.settings,
    paused: row.paused,
  };
  if (row.passages === null || vectorTable === null) return source;
  if (row.embedded_by === null) {
    return trouble(
      `its passages in ${beside} are embedded no more: watch ${watched} again with --into and --chunk`,
    );
  }
  return { ...source, vectorTable, passages: row.passages, embeddedBy: row.embedded_by };
}

function present({
  schema,
  table,
  oid,
}: NonNullable<SourceRow["vector_table"]>): Source["vectorTable"] | undefined {
  return schema === null || table === null ? undefined : { schema, table, oid };
}
