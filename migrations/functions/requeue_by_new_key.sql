create or replace function autoembed.requeue_by_new_key(
  before autoembed.embedding_source, source autoembed.embedding_source, unseen boolean, parked integer
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  watched constant text := source.watched_table::text;
  new_key constant text := autoembed.key_sql('t', source.key_columns);
  old_key constant text := autoembed.key_sql('t', before.key_columns);
begin
  -- As a trigger has it: a key that is too long for the queue's index has no place there, and of two rows with one key,
  -- of which a table that inherits has one, it has one.
  if not exists (
    select from unnest(before.key_columns) c
    where not exists (
      select from pg_attribute a where a.attrelid = source.watched_table and a.attname = c and not a.attisdropped))
  then
    execute format('insert into autoembed.embedding_queue (source_id, key, queued_at, tenant)
      select $1, %1$s, q.queued_at, q.tenant from autoembed.embedding_queue q join %2$s t on %3$s = q.key
      where q.source_id = $2 and octet_length(%1$s) <= 2600 order by q.ticket
      on conflict (source_id, key) do nothing', new_key, watched, old_key) using source.id, parked;
    perform autoembed.rename_ledger(source, old_key);
    return;
  end if;
  -- Which row of another table one of the former was cannot be told without its key.
  if before.watched_table <> source.watched_table then
    delete from autoembed.embedding_ledger where source_id = source.id;
    delete from autoembed.embedding_cache where source_id = source.id;
    return;
  end if;
  -- A column that was only renamed has left the keys as they are. Where it was dropped, which rows they were is not
  -- known any more, nor what was changed since: all are looked at, and those that have not changed are found in the
  -- ledger.
  perform autoembed.rename_ledger(source, new_key);
  execute format('insert into autoembed.embedding_queue (source_id, key, queued_at, tenant)
    select $1, q.key, q.queued_at, q.tenant from autoembed.embedding_queue q join %s t on %s = q.key
    where q.source_id = $2 order by q.ticket on conflict (source_id, key) do nothing', watched, new_key)
    using source.id, parked;
  if unseen or exists (
    select from autoembed.embedding_queue q
    where q.source_id = parked and not exists (
      select from autoembed.embedding_queue n where n.source_id = source.id and n.key = q.key))
  then
    execute format('insert into autoembed.embedding_queue (source_id, key)
      select $1, %1$s from %2$s t where octet_length(%1$s) <= 2600
      on conflict (source_id, key) do nothing', new_key, watched) using source.id;
  end if;
end
$$;
comment on function autoembed.requeue_by_new_key is
  'Part of requeue(): queues what is parked under another key, of the same table or of the one in its place.';
