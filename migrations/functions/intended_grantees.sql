-- A right to a column is the mark of a role that we have granted something: default privileges cannot give one, and a
-- dump keeps it.
create or replace function autoembed.intended_grantees() returns table (role regrole, purpose text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select distinct a.grantee::regrole, m.purpose
  from (values ('listen', 'trouble', 'UPDATE'), ('search', 'vector_column', 'SELECT')) m(purpose, attname, privilege)
  join pg_attribute c on c.attrelid = 'autoembed.embedding_source'::regclass and c.attname = m.attname
  cross join aclexplode(c.attacl) a
  where a.privilege_type = m.privilege and a.grantee <> 0
$$;
comment on function autoembed.intended_grantees is
  'The roles that grant_listener() and grant_search() have let in, each with what for.';
