create or replace function autoembed.check_chunk_columns(
  vector_table regclass, key_columns text[], chunk_columns text[]
) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if autoembed.primary_key(vector_table) is distinct from array['passage_id'] or exists (
    select from unnest(chunk_columns) c
    where c = any(key_columns) or not exists (
      select from pg_attribute a where a.attrelid = vector_table and a.attname = c and not a.attisdropped
        and a.atttypid = case c
          when 'passage_id' then 'int8'::regtype when 'passage' then 'text'::regtype else 'int4'::regtype end))
  then
    raise exception 'table % cannot hold chunks', vector_table
      using hint = format('It has the key (%s), and passage_id bigint generated always as identity primary key, '
          'chunk int, start_char int, end_char int and passage text. Name another table, or drop it.', (
          select string_agg(quote_ident(c), ', ' order by n) from unnest(key_columns) with ordinality as k(c, n))),
        errcode = 'invalid_table_definition';
  end if;
end
$$;
comment on function autoembed.check_chunk_columns is
  'Raises, with what to do, unless a table has the columns of chunks.';
