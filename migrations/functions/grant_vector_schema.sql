-- Vectors and their operators are named with the schema that pgvector is in. On Supabase that is `extensions`, which is
-- another role's.
create or replace function autoembed.grant_vector_schema(grantee regrole) returns void
language plpgsql strict
set search_path = pg_catalog, pg_temp
as $$
declare
  extension_schema constant text := autoembed.vector_schema();
begin
  if has_schema_privilege(grantee, extension_schema::regnamespace, 'usage') then
    return;
  end if;
  if has_schema_privilege(extension_schema::regnamespace, 'usage with grant option') then
    execute format('grant usage on schema %s to %s', extension_schema, grantee::text);
  else
    raise warning 'the role % may not use the schema % of pgvector, and % may not grant that',
        grantee, extension_schema, quote_ident(current_user)
      using hint = format('As the owner of that schema: grant usage on schema %s to %s;',
        extension_schema, grantee::text);
  end if;
end
$$;
comment on function autoembed.grant_vector_schema is
  'Lets a role use the schema that pgvector is in, or warns that the caller may not grant it.';
