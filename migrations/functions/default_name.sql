create or replace function autoembed.default_name(watched_table regclass) returns text
language sql stable strict
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
  select case c.relnamespace
    when 'public'::regnamespace then c.relname
    else c.relnamespace::regnamespace || '.' || c.relname end
  from pg_class c where c.oid = watched_table
$$;
comment on function autoembed.default_name is 'What a source is called where no name is given: its table''s name.';
