-- Replaced and not dropped: readers of the table wait for a drop, and for this only writers.
create or replace function autoembed.create_trigger(
  watched_table regclass, name text, event text, action text
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Replaced, a trigger fires on the origin only, in every partition. One that was disabled is enabled by that.
  firing constant text[] := array(
    select format('alter table only %s enable %s trigger %I', t.tgrelid::regclass,
      case t.tgenabled when 'A' then 'always' else 'replica' end, t.tgname)
    from pg_trigger t
    where t.tgname = name and t.tgenabled in ('A', 'R')
      and (t.tgrelid = watched_table or t.tgrelid in (select p.relid from pg_partition_tree(watched_table) p)));
  as_before text;
begin
  execute format('create or replace trigger %I after %s on %s %s', name, event, watched_table::text, action);
  foreach as_before in array firing loop
    execute as_before;
  end loop;
end
$$;
comment on function autoembed.create_trigger is
  'Attaches a trigger to a table, in place of one of that name. Set to fire always, or on a replica, it stays so.';
