create or replace function autoembed.drop_triggers(source autoembed.embedding_source) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  trigger_name text;
begin
  for trigger_name in
    select tgname from pg_trigger
    where tgrelid = source.watched_table and tgparentid = 0 and not tgisinternal and tgname in (
      select format('autoembed_%s_%s', source.id, event)
      from unnest(array['insert', 'update', 'delete', 'truncate']) event)
  loop
    execute format('drop trigger %I on %s', trigger_name, source.watched_table::text);
  end loop;
end
$$;
comment on function autoembed.drop_triggers is 'Takes the triggers of a source off its table, where it still is.';
