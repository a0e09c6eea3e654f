create or replace function autoembed.close_table(made regclass) returns void
language plpgsql strict
set search_path = pg_catalog, pg_temp
as $$
declare
  statement text;
begin
  for statement in
    select distinct format('revoke all on %s %s from %s', case c.relkind when 'S' then 'sequence' else 'table' end,
      c.oid::regclass, case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end)
    from pg_class c, aclexplode(c.relacl) a
    where a.grantee <> c.relowner and (c.oid = made or c.relkind = 'S' and exists (
      select from pg_depend d
      where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_class'::regclass
        and d.refobjid = made and d.deptype in ('a', 'i')))
  loop
    execute statement;
  end loop;
end
$$;
comment on function autoembed.close_table is
  'Leaves a table or view that was just made, and its sequences, to its owner, whatever default privileges have given '
  'to other roles.';
