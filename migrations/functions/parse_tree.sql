-- What an expression calls can be read in the rule of a view. A temporary one is seen by no other session, and gone at
-- once.
create or replace function autoembed.parse_tree(watched_table regclass, text_expression text) returns text
language plpgsql strict
set search_path = pg_catalog, pg_temp
as $$
declare
  tree text;
begin
  execute format('create temporary view autoembed_text_probe as select (%s)::text collate "default" from %s',
    text_expression, watched_table::text);
  select r.ev_action::text into tree from pg_rewrite r where r.ev_class = 'pg_temp.autoembed_text_probe'::regclass;
  drop view pg_temp.autoembed_text_probe;
  return tree;
exception when insufficient_privilege then
  return null;  -- a role that may make no temporary view is trusted
end
$$;
comment on function autoembed.parse_tree is
  'An expression over a table''s columns as Postgres has parsed it; null for a role that may not find out.';
