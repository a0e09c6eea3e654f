create or replace function autoembed.check_receiver_is_free(wanted autoembed.embedding_source) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  receiver constant regclass := coalesce(wanted.vector_table, wanted.watched_table);
  -- How fast, how much at once, and for how much: any other setting may change what the vectors are.
  of_no_vector constant text[] := array['weight', 'timeout_ms', 'requests_per_minute',
    'tokens_per_minute', 'concurrency', 'batch_size', 'price_per_million_tokens'];
  taken_by autoembed.embedding_source;
begin
  -- A table's rows are also those of all that inherits from it, partitions for example: these, and all that have a row
  -- in common with them. With one text and one model they agree on the vector of such a row.
  with recursive heir(oid) as (
    select receiver::oid union select i.inhrelid from pg_inherits i join heir on i.inhparent = heir.oid
  ), relative(oid) as (
    select oid from heir
    union select i.inhparent from pg_inherits i join relative on i.inhrelid = relative.oid
  )
  select s.* into taken_by from autoembed.embedding_source s
  where s.name <> wanted.name
    and coalesce(s.vector_table, s.watched_table) in (select oid from relative)
    and s.vector_column = wanted.vector_column
    -- Chunks are written by one source, and their vectors by another.
    and (s.passages is null) = (wanted.passages is null)
    and (coalesce(s.vector_table, s.watched_table) = receiver
      or (s.text_expression, s.backend, s.model, s.dimensions, s.settings - of_no_vector)
      is distinct from (wanted.text_expression, wanted.backend, wanted.model, wanted.dimensions,
        wanted.settings - of_no_vector))
  order by s.id limit 1;
  if taken_by.id is not null then
    raise exception 'column % of % receives the vectors of the source % already', quote_ident(wanted.vector_column),
        coalesce(taken_by.vector_table, taken_by.watched_table), quote_ident(taken_by.name)
      using hint = 'Name another column for these, or watch under that name to change the source.'
          || case when coalesce(taken_by.vector_table, taken_by.watched_table) <> receiver
            then ' Two tables with rows in common may fill one column with the same text, model and settings: to '
              'change these, unwatch one, change the other, and watch the first again.'
            else '' end,
        errcode = 'duplicate_object';
  end if;
end
$$;
comment on function autoembed.check_receiver_is_free is
  'Raises, with what to do, where another source writes its vectors to the same column: of the same table, or, of '
  'another text or model, to rows that both tables have.';
