create or replace function autoembed.has_no_vector_sql(source autoembed.embedding_source) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select case when source.vector_table is null then format('n.%I is null', source.vector_column) else 'true' end
$$;
comment on function autoembed.has_no_vector_sql is 'SQL for whether a row n that came in has no vector.';
