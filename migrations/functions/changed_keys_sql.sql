-- Part of a trigger function that cannot read a row by the names that it knows, or cannot compute its text. Columns are
-- found by their numbers, and compared byte by byte: a type may have no operator of Postgres's own. Where the text is
-- not a column, or its column was dropped, any change of the row may be one of the text. In PL/pgSQL as
-- current_key_sql() is: 100 us per row, and 670 us in SQL.
create or replace function autoembed.changed_keys_sql(
  watched_table oid, key_numbers int2[], text_number int2, relation oid
) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  new_key constant text := autoembed.current_key_sql('($1)', watched_table, key_numbers, relation);
  old_key constant text := autoembed.current_key_sql('($2)', watched_table, key_numbers, relation);
  is_changed text;
begin
  select format('row(%s)::record *<> row(%s)::record',
    string_agg(format('($1).%I', n.name), ', '), string_agg(format('($2).%I', n.name), ', '))
  into is_changed from unnest(autoembed.column_names(watched_table, key_numbers || text_number)) n(name)
  having count(*) = cardinality(key_numbers) + 1;
  return format('select %s, %s where %s', coalesce(new_key, 'null'), coalesce(old_key, 'null'),
    coalesce(is_changed, '$1 *<> $2'));
end
$$;
comment on function autoembed.changed_keys_sql is
  'A query that gives the keys, as they are called now, of a row after and before an update ($1, $2); no row where the '
  'update has changed neither key nor text, null where the table has no key any more.';
