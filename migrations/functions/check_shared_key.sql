create or replace function autoembed.check_shared_key(
  vector_table regclass, watched_table regclass, key_columns text[]
) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  missing text;
begin
  select format('%I %s', w.attname, format_type(w.atttypid, w.atttypmod)) into missing from pg_attribute w
  where w.attrelid = watched_table and w.attname = any(key_columns) and not exists (
    select from pg_attribute v
    where v.attrelid = vector_table and v.attname = w.attname and v.atttypid = w.atttypid and not v.attisdropped);
  if missing is not null then
    raise exception 'table % has no key column %, as % has', vector_table, missing, watched_table
      using hint = format('Its key has the same names and types: alter table %s add column %s; '
          'or rename the column that it has.', vector_table, missing),
        errcode = 'undefined_column';
  end if;
end
$$;
comment on function autoembed.check_shared_key is
  'Raises, with what to do, unless a table of vectors has the key''s columns, by the same names and types.';
