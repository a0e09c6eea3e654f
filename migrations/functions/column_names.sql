-- Part of what a trigger function does when its table has changed. Postgres reads statements by the names of now, but a
-- transaction that is not read committed sees the catalog as it was when it began: a column may have been renamed.
create or replace function autoembed.column_names(relation oid, numbers int2[]) returns text[]
language plpgsql stable strict
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  names text[];
  seen text[];
  present text[];
begin
  select array_agg(a.attname::text order by array_position(numbers, a.attnum)) into names from pg_attribute a
  where a.attrelid = relation and a.attnum = any(numbers) and not a.attisdropped;
  if current_setting('transaction_isolation') = 'read committed' then
    return names;
  end if;
  seen := array(
    select a.attname::text from pg_attribute a where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
    order by a.attnum);
  execute format('select array(select json_object_keys(row_to_json(r)) from (select (null::%s).*) r)',
    relation::regclass) into present;
  -- Where one was dropped, which they are is not to be told by their places.
  if cardinality(present) < cardinality(seen) then
    return names;
  end if;
  return array(
    select present[array_position(seen, n.name)] from unnest(names) with ordinality n(name, place) order by n.place);
end
$$;
comment on function autoembed.column_names is
  'What columns of a table are called now, by their numbers and in that order; fewer where some were dropped.';
