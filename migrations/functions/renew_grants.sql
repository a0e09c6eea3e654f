create or replace function autoembed.renew_grants() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform autoembed.grant_listener(g.role) from (
    select distinct a.grantee::regrole as role
    from pg_attribute c, aclexplode(c.attacl) a
    where c.attrelid = 'autoembed.embedding_source'::regclass and c.attname = 'trouble' and a.grantee <> 0
  ) g;
  perform autoembed.grant_search(g.role) from (
    select distinct a.grantee::regrole as role
    from pg_proc p, aclexplode(p.proacl) a
    where p.pronamespace = 'autoembed'::regnamespace and p.proname = 'search' and a.grantee not in (0, p.proowner)
  ) g;
end
$$;
comment on function autoembed.renew_grants is
  'Gives the roles of listeners and searches what they need of functions and tables that have come since.';
