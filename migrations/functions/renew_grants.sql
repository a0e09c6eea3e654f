create or replace function autoembed.renew_grants() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  listeners constant regrole[] := array(
    select g.role from autoembed.intended_grantees() g where g.purpose = 'listen');
  searchers constant regrole[] := array(
    select g.role from autoembed.intended_grantees() g where g.purpose = 'search');
begin
  perform autoembed.close_schema();
  perform autoembed.grant_listener(role) from unnest(listeners) role;
  perform autoembed.grant_search(role) from unnest(searchers) role;
end
$$;
comment on function autoembed.renew_grants is
  'Closes the schema to all roles but those of listeners and searches, and gives these what they need of functions and '
  'tables that have come since.';
