drop function if exists autoembed.has_vector_index(autoembed.embedding_source);
create or replace function autoembed.candidates_sql(
  source autoembed.embedding_source, out ordering text, out per_row integer
)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select f.ordering, f.per_row
  from autoembed.vector_forms(source) f
  where exists (
    select from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_am m on m.oid = c.relam
    join pg_opclass o on o.oid = i.indclass[0]
    where i.indrelid = coalesce(source.vector_table, source.watched_table) and i.indisvalid and i.indpred is null
      and m.amname = 'hnsw' and o.opcname = f.operator_class
      and translate(pg_get_indexdef(i.indexrelid, 1, false), '() ', '') = translate(f.expression, '() ', ''))
  order by f.per_row
  limit 1
$$;
comment on function autoembed.candidates_sql is
  'The order by distance from $1 in which an HNSW index gives a source''s vectors, and the candidates per wanted row '
  'to be put in exact order; null without such an index. One by ivfflat finds what its own settings let it find.';
