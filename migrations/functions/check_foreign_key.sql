create or replace function autoembed.check_foreign_key(
  vector_table regclass, watched_table regclass, key_columns text[]
) returns void
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
    select from pg_constraint f
    where f.contype = 'f' and f.conrelid = vector_table and f.confrelid = watched_table
      and f.confdeltype = 'c' and f.confupdtype = 'c'
      -- Before Postgres 18 each is.
      and coalesce((to_jsonb(f) ->> 'conenforced')::boolean, true) and f.conkey @> numbers and f.conkey <@ numbers
      and array(
        select a.attname::text from unnest(f.conkey) with ordinality k(c, n)
        join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.c order by k.n)
      = array(
        select a.attname::text from unnest(f.confkey) with ordinality k(c, n)
        join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.c order by k.n))
  then
    raise exception 'table % does not follow the rows of % that are deleted or get another key',
        vector_table, watched_table
      using hint = format('alter table %1$s add foreign key (%2$s) references %3$s (%2$s) '
          'on delete cascade on update cascade;', vector_table, keys, watched_table),
        errcode = 'invalid_table_definition';
  end if;
end
$$;
comment on function autoembed.check_foreign_key is
  'Raises, with what to do, unless a table of vectors refers to the watched table''s key, and cascades.';
