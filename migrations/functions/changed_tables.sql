create or replace function autoembed.changed_tables() returns table (kind text, name text, definition text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select t.kind, t.name, t.definition from autoembed.lost_tables() t
  union all
  select 'foreign', a.name, a.definition from autoembed.foreign_additions() a
  order by 1, 2
$$;
comment on function autoembed.changed_tables is
  'What lost_tables() finds, and what is on our tables besides; each with the statement that mends it, where one does.';
