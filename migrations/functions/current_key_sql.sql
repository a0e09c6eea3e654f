-- A key column may be renamed under a trigger function that names it. A user's write must not fail for that, and must
-- not go unqueued: the function then asks what its columns are called now. A table that was restored from a dump may
-- number them otherwise and has another oid; then it is the primary key.
create or replace function autoembed.current_key_sql(
  row_alias text, watched_table oid, key_numbers int2[], relation oid
) returns text
language sql stable strict
set search_path = pg_catalog, pg_temp
as $$
  select autoembed.key_sql(row_alias, coalesce(
    (select array_agg(a.attname::text order by array_position(key_numbers, a.attnum)) from pg_attribute a
     where a.attrelid = watched_table and a.attnum = any(key_numbers) and not a.attisdropped
     having count(*) = cardinality(key_numbers)),
    autoembed.primary_key(relation)))
$$;
comment on function autoembed.current_key_sql is
  'key_sql() for the key as it is called now; null where the table has none any more.';
