create or replace function autoembed.install_triggers(source autoembed.embedding_source) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform autoembed.replace_trigger_functions(source);
  perform autoembed.create_trigger(source.watched_table, t.name, t.event, t.action)
  from autoembed.rendered_triggers(source) t;
  update autoembed.embedding_source s set triggers = autoembed.trigger_hashes(source) where s.id = source.id;
end
$$;
comment on function autoembed.install_triggers is
  'Makes the trigger functions of a source and attaches them to its table, in place of those that are there. Used by '
  'autoembed.watch().';
