create or replace function autoembed.close_table(made regclass) returns void
language plpgsql strict
set search_path = pg_catalog, pg_temp
as $$
declare
  grantee text;
begin
  for grantee in
    select distinct case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
    from pg_class c, aclexplode(c.relacl) a
    where c.oid = made and a.grantee <> c.relowner
  loop
    execute format('revoke all on %s from %s', made::text, grantee);
  end loop;
end
$$;
comment on function autoembed.close_table is
  'Leaves a table or view that was just made to its owner, whatever default privileges have given to other roles.';
