create or replace function autoembed.save_source(wanted autoembed.embedding_source)
returns autoembed.embedding_source
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into autoembed.embedding_source as s (
    name, watched_table, key_columns, text_expression, vector_column, vector_table, passages, backend, model,
    dimensions, settings, tenant_column, key_types)
  values (
    wanted.name, wanted.watched_table, wanted.key_columns, wanted.text_expression, wanted.vector_column,
    wanted.vector_table, wanted.passages, wanted.backend, wanted.model, wanted.dimensions, wanted.settings,
    wanted.tenant_column, autoembed.key_types(wanted))
  on conflict (name) do update set
    watched_table = excluded.watched_table, key_columns = excluded.key_columns,
    text_expression = excluded.text_expression, vector_column = excluded.vector_column,
    vector_table = excluded.vector_table, passages = excluded.passages, backend = excluded.backend,
    model = excluded.model, dimensions = excluded.dimensions, settings = excluded.settings,
    tenant_column = excluded.tenant_column, trouble = null,
    -- What is kept is written as it was, unless requeue() writes it again.
    key_types = case
      when (s.watched_table, s.key_columns) = (excluded.watched_table, excluded.key_columns) then s.key_types
      else excluded.key_types end,
    -- Questions of another model are none of its own.
    question_model = case
      when (s.backend, s.model, s.dimensions, s.settings) is not distinct from
        (excluded.backend, excluded.model, excluded.dimensions, excluded.settings)
      then s.question_model end
  returning s.*
$$;
comment on function autoembed.save_source is 'Adds a source, or changes the one of that name.';
