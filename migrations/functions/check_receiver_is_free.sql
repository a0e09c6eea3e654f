create or replace function autoembed.check_receiver_is_free(wanted autoembed.embedding_source) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  receiver constant regclass := coalesce(wanted.vector_table, wanted.watched_table);
  taken_by text;
begin
  select s.name into taken_by from autoembed.embedding_source s
  where s.name <> wanted.name
    and coalesce(s.vector_table, s.watched_table) = receiver and s.vector_column = wanted.vector_column
    -- Chunks are written by one source, and their vectors by another.
    and (s.passages is null) = (wanted.passages is null);
  if taken_by is not null then
    raise exception 'column % of % receives the vectors of the source % already',
        quote_ident(wanted.vector_column), receiver, quote_ident(taken_by)
      using hint = 'Name another column for these, or watch under that name to change the source.',
        errcode = 'duplicate_object';
  end if;
end
$$;
comment on function autoembed.check_receiver_is_free is
  'Raises, with what to do, where another source writes its vectors to the same column.';
