create or replace function autoembed.check_key(watched_table regclass, key_columns text[]) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  missing text;
  numbers int2[];
  unproven text;
begin
  if key_columns is null then
    raise exception '% has no primary key', watched_table
      using hint = 'Name columns that are NOT NULL and have a unique index as its key.',
        errcode = 'invalid_table_definition';
  end if;
  select c into missing from unnest(key_columns) c
  where not exists (
    select from pg_attribute a
    where a.attrelid = watched_table and a.attname = c and a.attnum > 0 and not a.attisdropped);
  if missing is not null then
    raise exception 'table % has no column %', watched_table, quote_ident(missing)
      using hint = 'Name the key''s columns as the table spells them.', errcode = 'undefined_column';
  end if;
  select array_agg(attnum order by attnum) into numbers from pg_attribute
  where attrelid = watched_table and attname = any(key_columns) and not attisdropped;
  if exists (
      select from pg_attribute where attrelid = watched_table and attnum = any(numbers) and not attnotnull)
    or not exists (
      select from pg_index i
      where i.indrelid = watched_table and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
        and (i.indkey::int2[])[0:i.indnkeyatts - 1] <@ numbers)
  then
    raise exception 'the key (%) of % is not unique and not null', array_to_string(key_columns, ', '), watched_table
      using hint = 'Name a primary key, or columns that are NOT NULL and have a unique index.',
        errcode = 'invalid_table_definition';
  end if;
  -- Since Postgres 18: of rows that were there before it, "attnotnull" then tells nothing.
  select n.conname into unproven from pg_constraint n
  where n.conrelid = watched_table and n.contype = 'n' and n.conkey <@ numbers and not n.convalidated
  order by n.conname limit 1;
  if unproven is not null then
    raise exception 'the key (%) of % may be null: its constraint % is not validated',
        array_to_string(key_columns, ', '), watched_table, quote_ident(unproven)
      using hint = format('alter table %s validate constraint %I;', watched_table, unproven),
        errcode = 'invalid_table_definition';
  end if;
end
$$;
comment on function autoembed.check_key is 'Raises, with what to do, unless the columns tell one row from another.';
