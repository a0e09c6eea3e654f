-- A key column may be renamed under a trigger function that names it. A user's write must not fail for that, and must
-- not go unqueued: the function then asks what its columns are called now. A table that was restored from a dump may
-- number them otherwise and has another oid; then it is the primary key. In PL/pgSQL, with a plan that is kept, since
-- it is called per row: 35 us, and 200 us in SQL.
create or replace function autoembed.current_key_sql(
  row_alias text, watched_table oid, key_numbers int2[], relation oid
) returns text
language plpgsql stable strict
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  names text[] := autoembed.column_names(watched_table, key_numbers);
begin
  if cardinality(names) is distinct from cardinality(key_numbers) then
    names := autoembed.primary_key(relation);
  end if;
  return autoembed.key_sql(row_alias, names);
end
$$;
comment on function autoembed.current_key_sql is
  'key_sql() for the key as it is called now; null where the table has none any more.';
