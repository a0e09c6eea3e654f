-- Default privileges may give any role rights on what is made here, and so may a dump that is restored where there are
-- such. Taken away from: PUBLIC, and the roles that default privileges of this schema or of the whole database name.
-- What was granted to any other role was granted on purpose. So was what a listener's role has, even where default
-- privileges name it: grant_listener() gives it a column of embedding_source, which default privileges cannot.
create or replace function autoembed.close_schema() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  statement text;
begin
  for statement in
    with ours as (
      select format('schema %I', nspname) as object, nspowner as owner, nspacl as acl
      from pg_namespace where nspname = 'autoembed'
      union all
      select format('%s autoembed.%I', case relkind when 'S' then 'sequence' else 'table' end, relname),
        relowner, relacl
      from pg_class where relnamespace = 'autoembed'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S')
      union all
      select format('function %s', oid::regprocedure), proowner, coalesce(proacl, acldefault('f', proowner))
      from pg_proc where pronamespace = 'autoembed'::regnamespace
    ), by_default as (
      select 0::oid as grantee
      union
      select a.grantee from pg_default_acl d, aclexplode(d.defaclacl) a
      where d.defaclnamespace in (0, 'autoembed'::regnamespace)
    ), on_purpose as (
      select a.grantee from pg_attribute c, aclexplode(c.attacl) a
      where c.attrelid = 'autoembed.embedding_source'::regclass and a.grantee <> 0
    )
    select distinct format('revoke all on %s from %s', o.object,
      case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end)
    from ours o, aclexplode(o.acl) a
    where a.grantee <> o.owner and pg_has_role(o.owner, 'usage')
      and a.grantee in (select grantee from by_default)
      and a.grantee not in (select grantee from on_purpose)
  loop
    execute statement;
  end loop;
end
$$;
comment on function autoembed.close_schema is
  'Takes away whatever default privileges have given other roles on the schema and all that is in it.';
