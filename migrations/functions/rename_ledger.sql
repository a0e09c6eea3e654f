-- No entry may be left whose key is none of the table's: a claim that finds it by its text reads it as the key's type.
create or replace function autoembed.rename_ledger(source autoembed.embedding_source, old_key text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Out of the way of the new ones, as requeue() does with the queue.
  update autoembed.embedding_ledger l set source_id = -source.id where l.source_id = source.id;
  update autoembed.embedding_cache e set source_id = -source.id where e.source_id = source.id;
  execute format('insert into autoembed.embedding_ledger (source_id, model_id, embedded_at, text_hash, vector_hash, key)
      select $1, l.model_id, l.embedded_at, l.text_hash, l.vector_hash, %1$s
      from autoembed.embedding_ledger l join %2$s t on %3$s = l.key
      where l.source_id = -$1 and octet_length(%1$s) <= 2600
      on conflict (source_id, key) do nothing',
    autoembed.key_sql('t', source.key_columns), source.watched_table::text, old_key) using source.id;
  execute format('update autoembed.embedding_cache e set source_id = $1, key = %1$s
      from %2$s t where e.source_id = -$1 and %3$s = e.key and octet_length(%1$s) <= 2600',
    autoembed.key_sql('t', source.key_columns), source.watched_table::text, old_key) using source.id;
  delete from autoembed.embedding_ledger where source_id = -source.id;
  delete from autoembed.embedding_cache where source_id = -source.id;
end
$$;
comment on function autoembed.rename_ledger is
  'Part of requeue(): enters the rows of a table under its present key. old_key is SQL for what it was, over a row t.';
