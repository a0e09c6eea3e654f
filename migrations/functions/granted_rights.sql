create or replace function autoembed.granted_rights()
returns table (object text, owner oid, grantee oid, by_default boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with ours as (
    select format('schema %I', nspname) as object, nspowner as owner, nspacl as acl
    from pg_namespace where nspname = 'autoembed'
    union all
    select format('%s autoembed.%I', case c.relkind when 'S' then 'sequence' else 'table' end, c.relname),
      c.relowner, l.acl
    from pg_class c, lateral (
      select c.relacl union all select a.attacl from pg_attribute a where a.attrelid = c.oid) l(acl)
    where c.relnamespace = 'autoembed'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S')
    union all
    select format('%s %s', case prokind when 'p' then 'procedure' else 'function' end, oid::regprocedure),
      proowner, coalesce(proacl, acldefault('f', proowner))
    from pg_proc where pronamespace = 'autoembed'::regnamespace
  )
  select distinct o.object, o.owner, a.grantee, a.grantee = 0 or exists (
    select from pg_default_acl d, aclexplode(d.defaclacl) b
    where d.defaclnamespace in (0, 'autoembed'::regnamespace) and b.grantee = a.grantee)
  from ours o, aclexplode(o.acl) a
  where a.grantee <> o.owner
$$;
comment on function autoembed.granted_rights is
  'Who besides its owner has rights on the schema or on what is in it (0 for PUBLIC), and whether default privileges '
  'may have granted them.';
