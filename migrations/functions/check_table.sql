create or replace function autoembed.check_table(watched_table regclass) returns void
language plpgsql stable strict
set search_path = pg_catalog, pg_temp
as $$
declare
  relation pg_class;
begin
  select * into relation from pg_class where oid = watched_table;
  if relation.relpersistence = 't' then
    raise exception '% is a temporary table', watched_table
      using hint = 'Only its own session sees it. Watch a permanent table.', errcode = 'wrong_object_type';
  end if;
  if relation.relkind not in ('r', 'p') then
    raise exception '% is %', watched_table, case relation.relkind
        when 'v' then 'a view' when 'm' then 'a materialized view' when 'f' then 'a foreign table'
        else 'not a table' end
      using hint = 'Triggers need a table. Watch the table behind it.', errcode = 'wrong_object_type';
  end if;
  if relation.relnamespace in ('pg_catalog'::regnamespace, 'autoembed'::regnamespace) then
    raise exception '% cannot be watched', watched_table
      using hint = 'It belongs to Postgres or to pg-autoembed.', errcode = 'wrong_object_type';
  end if;
end
$$;
comment on function autoembed.check_table is 'Raises, with what to do, unless the table can carry triggers.';
