-- On whatever table: a dump of the watched table makes them again on the one that takes its place, and a function
-- cannot be dropped while a trigger calls it.
create or replace function autoembed.drop_triggers(source autoembed.embedding_source) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  made record;
begin
  for made in
    select t.tgname as name, t.tgrelid::regclass::text as relation
    from pg_trigger t join pg_proc p on p.oid = t.tgfoid
    where t.tgparentid = 0 and not t.tgisinternal and p.pronamespace = 'autoembed'::regnamespace
      and p.proname ~ format('^source_%s_[a-z]+$', source.id)
    order by t.tgrelid = source.watched_table desc, t.tgrelid, t.tgname
  loop
    execute format('drop trigger %I on %s', made.name, made.relation);
  end loop;
end
$$;
comment on function autoembed.drop_triggers is 'Takes the triggers of a source off its table, and off any other one.';
