create or replace function autoembed.estimated_vectors(source autoembed.embedding_source) returns bigint
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint
  from pg_class c
  where c.oid = coalesce(source.vector_table, source.watched_table) or c.oid in (
    select p.relid from pg_partition_tree(coalesce(source.vector_table, source.watched_table)) p where p.isleaf)
$$;
comment on function autoembed.estimated_vectors is
  'The rows of the table that has a source''s vectors, as the planner estimates.';
