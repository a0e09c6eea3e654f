-- What an expression calls can be read in the rule of a view, which no other session sees: it is gone at once. A
-- temporary one, which other tools' event triggers pass over, where the role may make one; whoever watches a table
-- makes functions in this schema too.
create or replace function autoembed.parse_tree(watched_table regclass, text_expression text) returns text
language plpgsql strict
set search_path = pg_catalog, pg_temp
as $$
declare
  probe constant text := format('%s.text_probe_%s',
    case when has_database_privilege(current_database(), 'temporary') then 'pg_temp' else 'autoembed' end,
    pg_backend_pid());
  tree text;
begin
  execute format('create view %s as select (%s)::text collate "default" from %s',
    probe, text_expression, watched_table::text);
  select r.ev_action::text into tree from pg_rewrite r where r.ev_class = probe::regclass;
  execute format('drop view %s', probe);
  return tree;
end
$$;
comment on function autoembed.parse_tree is 'An expression over a table''s columns as Postgres has parsed it.';
