create or replace function autoembed.renew_grants() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  listeners constant regrole[] := array(
    select g.role from autoembed.intended_grantees() g where g.purpose = 'listen');
  searchers constant regrole[] := array(
    select g.role from autoembed.intended_grantees() g where g.purpose = 'search');
  needed record;
begin
  perform autoembed.close_schema();
  perform autoembed.grant_listener(role) from unnest(listeners) role;
  perform autoembed.grant_search(role) from unnest(searchers) role;
  -- A trigger function calls more of our functions than that of an older version did.
  for needed in
    select o.role, n.needed from (
      select distinct p.proowner::regrole as role from pg_proc p
      where p.pronamespace = 'autoembed'::regnamespace and p.proname ~ '^source_[0-9]+_[a-z]+$'
    ) o, unnest(autoembed.missing_trigger_rights(o.role)) n(needed)
    where n.needed like 'execute on function %'
  loop
    execute format('grant %s to %s', needed.needed, needed.role);
  end loop;
end
$$;
comment on function autoembed.renew_grants is
  'Closes the schema to all roles but those of listeners and searches, and gives these, and the owners of trigger '
  'functions, what they need of functions and tables that have come since.';
