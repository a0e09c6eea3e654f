create or replace function autoembed.function_settings(definition text) returns text[]
language sql immutable strict
set search_path = pg_catalog, pg_temp
as $$
  select array(
    select s.part[1] || '=' || trim(both '''' from s.part[2])
    from regexp_matches(split_part(definition, '$autoembed$', 1), '^set ([a-z_]+) = (.*)$', 'gn') s(part)
    order by 1)
$$;
comment on function autoembed.function_settings is
  'The settings that a rendered trigger function is pinned to, as pg_proc.proconfig has them but for their order.';
