create or replace function autoembed.vector_schema() returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select quote_ident(n.nspname) from pg_extension e join pg_namespace n on n.oid = e.extnamespace
  where e.extname = 'vector'
$$;
comment on function autoembed.vector_schema is 'The schema that pgvector is in, quoted.';
