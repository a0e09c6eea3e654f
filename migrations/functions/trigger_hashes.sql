create or replace function autoembed.trigger_hashes(source autoembed.embedding_source) returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_object_agg(d.name, md5(d.definition)) || jsonb_build_object('key_numbers', (
    select jsonb_agg(a.attnum) from pg_attribute a
    where a.attrelid = source.watched_table and a.attname = any(source.key_columns) and not a.attisdropped))
  from (
    select f.name, f.definition from autoembed.rendered_functions(source) f
    union all
    -- Without the table: a trigger stays with its table when that is renamed.
    select t.name, t.event || ' ' || t.action from autoembed.rendered_triggers(source) t
  ) d
$$;
comment on function autoembed.trigger_hashes is
  'The MD5 of each trigger function and trigger that a source is to have, by name; and the numbers of its key''s '
  'columns, by which these are found when they have other names.';
