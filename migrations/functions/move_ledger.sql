-- Not by an update of the key, which could fail the user's write where the new key has an entry.
create or replace function autoembed.move_ledger(source_id integer, old_key text, new_key text) returns void
language sql strict
set search_path = pg_catalog, pg_temp
as $$
  -- Keys that are shifted or swapped: whose a cached vector is, is not known any more.
  delete from autoembed.embedding_cache e where e.source_id = $1 and e.key in ($2, $3)
    and exists (select from autoembed.embedding_ledger l where l.source_id = $1 and l.key = $3);
  insert into autoembed.embedding_ledger as l (source_id, model_id, embedded_at, text_hash, vector_hash, key)
  select o.source_id, o.model_id, o.embedded_at, o.text_hash, o.vector_hash, $3
  from autoembed.embedding_ledger o where o.source_id = $1 and o.key = $2
  on conflict (source_id, key) do update set model_id = excluded.model_id, embedded_at = excluded.embedded_at,
    text_hash = excluded.text_hash, vector_hash = excluded.vector_hash;
  delete from autoembed.embedding_ledger l where l.source_id = $1 and l.key = $2;
  update autoembed.embedding_cache e set key = $3 where e.source_id = $1 and e.key = $2;
$$;

comment on function autoembed.move_ledger is
  'Part of a trigger: a row whose key was changed still has its vector, and what was made from it stays its own.';
