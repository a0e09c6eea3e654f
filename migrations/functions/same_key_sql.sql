-- A type of an extension has its operators where the extension is. With another "=" its index would not be used.
create or replace function autoembed.same_key_sql(
  one_alias text, other_alias text, watched_table regclass, key_columns text[]
) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(format('%1$s.%2$I %3$s %4$s.%2$I', one_alias, k.c, coalesce((
      select format('operator(%I.=)', n.nspname)
      from pg_type y join pg_opclass c on c.opcintype = coalesce(nullif(y.typbasetype, 0), y.oid) and c.opcdefault
      join pg_am m on m.oid = c.opcmethod and m.amname = 'btree'
      join pg_amop o on o.amopfamily = c.opcfamily and o.amopstrategy = 3
        and o.amoplefttype = c.opcintype and o.amoprighttype = c.opcintype
      join pg_operator p on p.oid = o.amopopr join pg_namespace n on n.oid = p.oprnamespace
      where y.oid = a.atttypid and p.oprname = '=' and n.nspname <> 'pg_catalog'), '='), other_alias),
    ' and ' order by k.n)
  from unnest(key_columns) with ordinality as k(c, n)
  join pg_attribute a on a.attrelid = watched_table and a.attname = k.c and not a.attisdropped
$$;
comment on function autoembed.same_key_sql is 'SQL for whether two rows have the same key.';
