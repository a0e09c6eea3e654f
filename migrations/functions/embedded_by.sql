create or replace function autoembed.embedded_by(source autoembed.embedding_source) returns integer
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce((
    select c.id from autoembed.embedding_source c
    where source.passages is not null and c.watched_table = source.vector_table
      and c.vector_column = source.vector_column
    order by c.id limit 1), source.id)
$$;
comment on function autoembed.embedded_by is
  'The id of the source whose model makes the vectors of a source: of a text in chunks, the source of the chunks.';
