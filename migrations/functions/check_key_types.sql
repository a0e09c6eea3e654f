create or replace function autoembed.check_key_types(watched_table regclass, key_columns text[]) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  varying_column constant text := autoembed.varying_key(watched_table, key_columns);
begin
  if varying_column is not null then
    raise exception 'the key % of % is spelled in another way after a rename or in other sessions', varying_column,
        watched_table
      using hint = 'Name a column of another type as the key: a number, a uuid or a text.',
        errcode = 'wrong_object_type';
  end if;
end
$$;
comment on function autoembed.check_key_types is
  'Raises, with what to do, where the text of the key may become another though the row stays the same.';
