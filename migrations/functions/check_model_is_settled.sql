-- While a source's model is being changed, both models' vectors are of one text, and each is its own source's model: a
-- change of one source alone would mix them.
create or replace function autoembed.check_model_is_settled(
  before autoembed.embedding_source, wanted autoembed.embedding_source
) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
      select from autoembed.embedding_source s
      where s.name in (wanted.name || '@next', wanted.name || '@previous') and s.watched_table = before.watched_table)
    and (before.watched_table, before.key_columns, before.text_expression, before.vector_column,
      before.vector_table, before.passages, before.backend, before.model, before.dimensions, before.settings)
    is distinct from (wanted.watched_table, wanted.key_columns, wanted.text_expression, wanted.vector_column,
      wanted.vector_table, wanted.passages, wanted.backend, wanted.model, wanted.dimensions, wanted.settings)
  then
    raise exception 'the model of % is being changed, and the source cannot be changed until that has ended',
        wanted.name
      using hint = 'Finish the change of the model, or cancel it before its switch; then watch again.',
        errcode = 'object_in_use';
  end if;
end
$$;
comment on function autoembed.check_model_is_settled is
  'Raises, with what to do, where a source would be changed in the middle of a change of its model.';
