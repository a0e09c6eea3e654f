create or replace function autoembed.close_function(made regprocedure) returns void
language plpgsql strict
set search_path = pg_catalog, pg_temp
as $$
declare
  grantee text;
begin
  for grantee in
    select distinct case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
    from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
    where p.oid = made and a.grantee <> p.proowner
  loop
    execute format('revoke all on function %s from %s', made::text, grantee);
  end loop;
end
$$;
comment on function autoembed.close_function is
  'Leaves a function that was just made to its owner, whatever default privileges have given to other roles.';
