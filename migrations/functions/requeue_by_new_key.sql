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
  if not exists (
    select from unnest(before.key_columns) c
    where not exists (
      select from pg_attribute a where a.attrelid = source.watched_table and a.attname = c and not a.attisdropped))
  then
    execute format('insert into autoembed.embedding_queue (source_id, key, queued_at)
      select $1, %s, q.queued_at from autoembed.embedding_queue q join %s t on %s = q.key
      where q.source_id = $2 order by q.ticket', new_key, watched, old_key) using source.id, parked;
    execute format('with moved as (
        delete from autoembed.embedding_ledger l using %s t where l.source_id = $1 and l.key = %s
        returning l.model_id, l.embedded_at, l.text_hash, l.vector_hash, %s as key)
      insert into autoembed.embedding_ledger (source_id, model_id, embedded_at, text_hash, vector_hash, key)
      select $1, m.* from moved m on conflict (source_id, key) do nothing', watched, old_key, new_key) using source.id;
    return;
  end if;
  -- A column that was only renamed has left the keys as they are. Where it was dropped, which rows they were is not
  -- known any more, nor what was changed since: all are looked at, and those that have not changed are found in the
  -- cache.
  execute format('insert into autoembed.embedding_queue (source_id, key, queued_at)
    select $1, q.key, q.queued_at from autoembed.embedding_queue q join %s t on %s = q.key
    where q.source_id = $2 order by q.ticket', watched, new_key) using source.id, parked;
  if unseen or exists (
    select from autoembed.embedding_queue q
    where q.source_id = parked and not exists (
      select from autoembed.embedding_queue n where n.source_id = source.id and n.key = q.key))
  then
    execute format('insert into autoembed.embedding_queue (source_id, key)
      select $1, %s from %s t on conflict (source_id, key) do nothing', new_key, watched) using source.id;
  end if;
end
$$;
comment on function autoembed.requeue_by_new_key is
  'Part of requeue(): queues what is parked under another key of the same table.';
