-- No entry may be left whose key is none of the table's: a claim that finds it by its text reads it as the key's type.
create or replace function autoembed.rename_ledger(source autoembed.embedding_source, old_key text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Out of the way of the new ones, as requeue() does with the queue.
  update autoembed.embedding_ledger l set source_id = -source.id where l.source_id = source.id;
  update autoembed.embedding_cache e set source_id = -source.id where e.source_id = source.id;
  -- Of a former key that several rows have, nobody can tell whose what is kept was.
  execute format('with renamed as materialized (
      select r.old_key, min(r.new_key) as new_key from (select %1$s as old_key, %2$s as new_key from %3$s t) r
      group by r.old_key having min(r.new_key) = max(r.new_key) and octet_length(min(r.new_key)) <= 2600
    ), kept as (
      insert into autoembed.embedding_ledger (source_id, model_id, embedded_at, text_hash, vector_hash, key)
      select $1, l.model_id, l.embedded_at, l.text_hash, l.vector_hash, r.new_key
      from autoembed.embedding_ledger l join renamed r on r.old_key = l.key where l.source_id = -$1
      on conflict (source_id, key) do nothing
    )
    update autoembed.embedding_cache e set source_id = $1, key = r.new_key
    from renamed r where e.source_id = -$1 and e.key = r.old_key',
    old_key, autoembed.key_sql('t', source.key_columns), source.watched_table::text) using source.id;
  delete from autoembed.embedding_ledger where source_id = -source.id;
  delete from autoembed.embedding_cache where source_id = -source.id;
end
$$;
comment on function autoembed.rename_ledger is
  'Part of requeue(): enters the rows of a table under its present key. old_key is SQL for what it was, over a row t.';
