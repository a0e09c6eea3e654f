-- The column itself is compared, so that its index is used. A type of an extension has its operators elsewhere: such a
-- key is compared as text.
create or replace function autoembed.key_is_sql(row_alias text, watched_table regclass, key_columns text[])
returns text
language sql stable strict
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(case y.typnamespace when 'pg_catalog'::regnamespace
      then format('%s.%I = (%s)::%s', row_alias, k.c, v.key, format_type(a.atttypid, a.atttypmod))
      else format('%s.%I::text = %s', row_alias, k.c, v.key) end, ' and ' order by k.n)
  from unnest(key_columns) with ordinality as k(c, n)
  join pg_attribute a on a.attrelid = watched_table and a.attname = k.c and not a.attisdropped
  join pg_type y on y.oid = a.atttypid
  cross join lateral (
    select case cardinality(key_columns) when 1 then '$1' else format('($1::jsonb ->> %s)', k.n - 1) end) v(key)
$$;
comment on function autoembed.key_is_sql is
  'SQL for whether the row row_alias has the key that the queue would write as $1.';
