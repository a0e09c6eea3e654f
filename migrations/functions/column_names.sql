-- Part of what a trigger function does when its table has changed. Postgres reads statements by the names of now, but a
-- transaction that is not read committed sees pg_attribute as it was when it began: a column may have been renamed. So
-- this asks the server's own memory of the catalog instead. In PL/pgSQL as current_key_sql() is.
create or replace function autoembed.column_names(relation oid, numbers int2[]) returns text[]
language plpgsql stable strict
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
  return (
    select array_agg(c.name order by c.place) from (
      select n.place, (pg_identify_object_as_address('pg_class'::regclass, relation, n.number)).object_names[3] as name
      from unnest(numbers) with ordinality n(number, place) where n.number is not null
    ) c
    where not starts_with(c.name, '........pg.dropped.'));
end
$$;
comment on function autoembed.column_names is
  'What columns of a table are called now, by their numbers and in that order; without those that were dropped.';
