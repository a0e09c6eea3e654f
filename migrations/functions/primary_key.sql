create or replace function autoembed.primary_key(watched_table regclass) returns text[]
language sql stable strict
set search_path = pg_catalog, pg_temp
as $$
  select array_agg(a.attname::text order by array_position(i.indkey::int2[], a.attnum))
  -- Without the columns that the index only includes.
  from pg_index i join pg_attribute a on a.attrelid = i.indrelid
    and a.attnum = any((i.indkey::int2[])[0:i.indnkeyatts - 1])
  where i.indrelid = watched_table and i.indisprimary
$$;
comment on function autoembed.primary_key is
  'The columns of the primary key, as they are called now; null where there is none.';
