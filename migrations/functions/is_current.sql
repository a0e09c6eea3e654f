-- First the vector, then the queue: a change is queued until its vector is written, so a vector that was seen before
-- nothing was queued is that of the text.
create or replace function autoembed.is_current(source_name text, row_key text) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set intervalstyle = 'postgres'
set bytea_output = 'hex'
set extra_float_digits = 1
as $$
declare
  source constant autoembed.embedding_source := autoembed.named_source(source_name);
  is_row text;
  vectors text := 't';
  has_vector boolean;
  queue_key text;  -- however the caller writes it; null where there is no such row
  state text;
  is_blank boolean;
begin
  perform autoembed.check_given_key(source, row_key);
  is_row := autoembed.key_is_sql('t', source.watched_table, source.key_columns);
  if source.vector_table is not null then
    vectors := format('t left join %s v on %s', source.vector_table::text,
      autoembed.same_key_sql('t', 'v', source.watched_table, source.key_columns));
  end if;
  execute format('select bool_and(%s.%I is not null), min(%s) from %s %s where %s',
    case when source.vector_table is null then 't' else 'v' end, source.vector_column,
    autoembed.key_sql('t', source.key_columns), source.watched_table::text, vectors, is_row)
  into has_vector, queue_key using row_key;
  -- Who may not see the row learns nothing of it.
  if queue_key is null then
    return false;
  end if;
  state := autoembed.queue_state(source.id, queue_key);
  if state = 'failed' then
    raise exception 'the row % of % failed', quote_literal(row_key), source_name
      using hint = 'npm run failed says why; npm run retry tries again.', errcode = 'object_not_in_prerequisite_state';
  elsif state = 'uncommitted' then
    raise exception 'the row % of % was changed in this transaction', quote_literal(row_key), source_name
      using hint = 'Commit first: a listener sees what is committed.', errcode = 'object_not_in_prerequisite_state';
  elsif state is null and not has_vector then
    -- Nothing is to be embedded where there is no text. What cannot be evaluated here is no reason to fail.
    begin
      execute format('select coalesce((%s)::text, '''') !~ ''[^[:space:]]'' from (select t.* from %s t where %s) %I',
        source.text_expression, source.watched_table::text, is_row,
        (select c.relname from pg_class c where c.oid = source.watched_table))
      into is_blank using row_key;
    exception when others then
      is_blank := false;
    end;
  end if;
  return state is null and (has_vector or is_blank);
end
$$;
comment on function autoembed.is_current is
  'Whether a row has the vector of its text, or neither. Raises where the row failed, or waits for this transaction.';
