-- Replaced and not dropped: readers of the table wait for a drop, and for this only writers.
create or replace function autoembed.create_trigger(
  watched_table regclass, name text, event text, action text
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('create or replace trigger %I after %s on %s %s', name, event, watched_table::text, action);
end
$$;
comment on function autoembed.create_trigger is 'Attaches a trigger to a table, in place of one of that name.';
