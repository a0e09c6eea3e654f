-- In place of what a trigger function knows of its table, where that has changed.
create or replace function autoembed.written_keys_sql(
  is_update boolean, watched_table oid, key_numbers int2[], text_number int2, relation oid
) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select case when is_update then autoembed.changed_keys_sql(watched_table, key_numbers, text_number, relation)
    else format('select %s, null::text',
      coalesce(autoembed.current_key_sql('($1)', watched_table, key_numbers, relation), 'null')) end
$$;
comment on function autoembed.written_keys_sql is
  'Part of a trigger function: changed_keys_sql() for an update, and the like for a row that came in ($1).';
