create or replace function autoembed.requeue(
  before autoembed.embedding_source, source autoembed.embedding_source, unseen boolean
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set intervalstyle = 'postgres'
set bytea_output = 'hex'
set extra_float_digits = 1
as $$
declare
  -- Out of the way of the new ones. Every ticket changes, so that a listener that has claimed under the old definition
  -- can complete nothing.
  parked constant integer := -source.id;
  types constant text[] := autoembed.key_types(before);
  is_another constant boolean := before.watched_table <> source.watched_table;
  new_key constant text := autoembed.key_sql('t', source.key_columns);
begin
  -- What is kept is found by how the former key is written.
  if is_another and before.key_columns = source.key_columns then
    perform autoembed.respell_kept(source);
  elsif not is_another and before.key_columns <> source.key_columns
    and cardinality(types) = cardinality(before.key_columns)
    and types is distinct from autoembed.kept_key_types(before)
  then
    perform autoembed.respell_kept(before);
  end if;
  update autoembed.embedding_queue set source_id = parked where source_id = source.id;
  if before.key_columns <> source.key_columns then
    perform autoembed.requeue_by_new_key(before, source, unseen, parked);
  elsif is_another then
    -- It may have been made in the place of the former, which was dropped or is kept under another name. Its rows may
    -- have brought their vectors, and only the ledger says what texts these were made from.
    execute format('delete from autoembed.embedding_ledger l
      where l.source_id = $1 and not exists (select from %s t where %s = l.key)', source.watched_table::text, new_key)
      using source.id;
    execute format('delete from autoembed.embedding_cache e
      where e.source_id = $1 and not exists (select from %s t where %s = e.key)', source.watched_table::text, new_key)
      using source.id;
    execute format('insert into autoembed.embedding_queue (source_id, key, queued_at, tenant)
      select $1, q.key, q.queued_at, q.tenant from autoembed.embedding_queue q join %s t on %s = q.key
      where q.source_id = $2 order by q.ticket on conflict (source_id, key) do nothing',
      source.watched_table::text, new_key) using source.id, parked;
  else
    insert into autoembed.embedding_queue (source_id, key, queued_at, tenant)
    select source.id, q.key, q.queued_at, q.tenant from autoembed.embedding_queue q where q.source_id = parked
    order by q.ticket;
  end if;
  delete from autoembed.embedding_queue where source_id = parked;
end
$$;
comment on function autoembed.requeue is
  'Makes all that is queued of a source that was changed pending again, claimed rows too, under the keys that it has '
  'now; unseen says that changes may have gone unqueued. Used by autoembed.watch().';
