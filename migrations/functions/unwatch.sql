create or replace function autoembed.unwatch(source_name text) returns boolean
language plpgsql strict
set search_path = pg_catalog, pg_temp
as $$
declare
  source autoembed.embedding_source;
  function_name text;
begin
  delete from autoembed.embedding_source where name = source_name returning * into source;
  if not found then
    return false;
  end if;
  perform autoembed.drop_triggers(source);
  foreach function_name in array array['insert', 'row', 'delete', 'truncate'] loop
    execute format('drop function if exists autoembed.source_%s_%s()', source.id, function_name);
  end loop;
  delete from autoembed.embedding_queue where source_id = source.id;
  delete from autoembed.embedding_ledger where source_id = source.id;
  delete from autoembed.embedding_cache where source_id = source.id;
  -- A change of its model ends with it.
  perform autoembed.unwatch(s.name) from autoembed.embedding_source s
  where s.name in (source.name || '@next', source.name || '@previous') and s.watched_table = source.watched_table;
  if source.passages is not null then
    perform autoembed.unwatch(p.name) from autoembed.embedding_source p where p.watched_table = source.vector_table;
  end if;
  perform pg_notify('autoembed', '');
  return true;
end
$$;
comment on function autoembed.unwatch is
  'Stops watching. The table, its texts and its vectors stay as they are. False when there is no such source.';
