create or replace function autoembed.check_unique_key(vector_table regclass, key_columns text[]) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  keys constant text := (
    select string_agg(quote_ident(c), ', ' order by n) from unnest(key_columns) with ordinality as k(c, n));
  numbers constant int2[] := (
    select array_agg(attnum) from pg_attribute
    where attrelid = vector_table and attname = any(key_columns) and not attisdropped);
begin
  if not exists (
    select from pg_index i
    where i.indrelid = vector_table and i.indisunique and i.indisvalid and i.indimmediate
      and i.indpred is null and i.indexprs is null
      and (i.indkey::int2[])[0:i.indnkeyatts - 1] @> numbers and (i.indkey::int2[])[0:i.indnkeyatts - 1] <@ numbers)
  then
    raise exception 'the key (%) of % is not unique', keys, vector_table
      using hint = format('alter table %s add primary key (%s);', vector_table, keys),
        errcode = 'invalid_table_definition';
  end if;
end
$$;
comment on function autoembed.check_unique_key is
  'Raises, with what to do, unless a table of vectors has at most one row per key.';
