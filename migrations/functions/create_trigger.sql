create or replace function autoembed.create_trigger(
  watched_table regclass, name text, event text, action text
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select from pg_trigger g
    where g.tgrelid = watched_table and g.tgname = name and not g.tgisinternal and g.tgparentid = 0)
  then
    execute format('drop trigger %I on %s', name, watched_table::text);
  end if;
  execute format('create trigger %I after %s on %s %s', name, event, watched_table::text, action);
end
$$;
comment on function autoembed.create_trigger is 'Attaches a trigger to a table, in place of one of that name.';
