create or replace function autoembed.watch_chunks(wanted autoembed.embedding_source) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  source autoembed.embedding_source;
begin
  source := autoembed.watch(wanted.vector_table, 'passage', array['passage_id'], wanted.vector_column, null,
    wanted.backend, wanted.model, wanted.dimensions, wanted.settings);
  if source.name = wanted.name then
    raise exception 'the name % is that of the chunks', quote_literal(wanted.name)
      using hint = 'Give the source another name.', errcode = 'duplicate_object';
  end if;
end
$$;
comment on function autoembed.watch_chunks is
  'Watches the chunks that the text of a source is cut into: a source of their own.';
