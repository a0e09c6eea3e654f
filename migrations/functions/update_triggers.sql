create or replace function autoembed.update_triggers(source autoembed.embedding_source) returns text[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  outdated text[];
begin
  outdated := autoembed.outdated_triggers(source);
  if outdated = '{}' then
    return outdated;
  end if;
  perform autoembed.replace_trigger_functions(source);
  perform autoembed.create_trigger(source.watched_table, t.name, t.event, t.action)
  from autoembed.rendered_triggers(source) t where t.name = any(outdated);
  update autoembed.embedding_source s set triggers = autoembed.trigger_hashes(source) where s.id = source.id;
  return outdated;
end
$$;
comment on function autoembed.update_triggers is
  'Replaces what is outdated of a source''s trigger functions and triggers, and returns the names. Locks the table '
  'only where a trigger itself has changed.';
