create or replace function autoembed.may_have_missed_changes(source autoembed.embedding_source) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select not exists (
      select from pg_trigger
      where tgrelid = source.watched_table and tgname = format('autoembed_%s_update', source.id) and not tgisinternal)
    -- Once a column of its key was dropped, a row has no name in the queue.
    or exists (
      select from jsonb_array_elements_text(source.triggers -> 'key_numbers') number
      where not exists (
        select from pg_attribute a
        where a.attrelid = source.watched_table and a.attnum = number::int2 and not a.attisdropped))
$$;
comment on function autoembed.may_have_missed_changes is
  'Whether changes of a source may have gone unqueued since install_triggers(): its trigger or its key was dropped.';
