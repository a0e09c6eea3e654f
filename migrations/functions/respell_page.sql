create or replace function autoembed.respell_page(source autoembed.embedding_source, keys text[]) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  found record;
begin
  select * into found from autoembed.respelled_keys(source, keys);
  if found.old_keys is null then
    return found.locked;
  end if;
  -- An entry without a model was made since the type was altered, by a backfill that did not find this one.
  insert into autoembed.embedding_ledger as o (source_id, model_id, embedded_at, text_hash, vector_hash, key)
  select distinct on (r.new_key) l.source_id, l.model_id, l.embedded_at, l.text_hash, l.vector_hash, r.new_key
  from unnest(found.old_keys, found.new_keys) r(old_key, new_key)
  join autoembed.embedding_ledger l on l.source_id = source.id and l.key = r.old_key
  order by r.new_key, l.model_id is null, l.embedded_at desc
  on conflict (source_id, key) do update set model_id = excluded.model_id, embedded_at = excluded.embedded_at,
    text_hash = excluded.text_hash, vector_hash = excluded.vector_hash
  where (excluded.model_id is not null, excluded.embedded_at) > (o.model_id is not null, o.embedded_at);
  delete from autoembed.embedding_ledger l where l.source_id = source.id and l.key = any(found.old_keys);
  update autoembed.embedding_cache e set key = r.new_key
  from unnest(found.old_keys, found.new_keys) r(old_key, new_key)
  where e.source_id = source.id and e.key = r.old_key;
  -- Of two rows of one key the pending one stays.
  delete from autoembed.embedding_queue q
  where q.ticket = any(array(
    select o.ticket from unnest(found.old_keys, found.new_keys) r(old_key, new_key)
    join autoembed.embedding_queue p on p.source_id = source.id and p.key = r.old_key
    join autoembed.embedding_queue o on o.source_id = source.id and o.key = r.new_key
    where p.owner is null and p.failed_at is null and o.failed_at is not null for update of p, o skip locked));
  -- One that is claimed keeps its key until it is written or released: it is looked at again.
  with free as materialized (
    select q.key as old_key, r.new_key, q.failed_at, q.ticket
    from unnest(found.old_keys, found.new_keys) r(old_key, new_key)
    join autoembed.embedding_queue q on q.source_id = source.id and q.key = r.old_key
    where q.owner is null for update of q skip locked
  ), wanted as materialized (
    select distinct on (f.new_key) f.old_key, f.new_key from free f
    where not exists (
      select from autoembed.embedding_queue o where o.source_id = source.id and o.key = f.new_key)
    order by f.new_key, f.failed_at is not null, f.ticket desc
  ), dropped as (
    delete from autoembed.embedding_queue q
    where q.source_id = source.id
      and q.key = any(array(select f.old_key from free f where f.old_key not in (select w.old_key from wanted w)))
  )
  update autoembed.embedding_queue q set key = w.new_key from wanted w
  where q.source_id = source.id and q.key = w.old_key;
  return found.locked + (
    select count(*) from autoembed.embedding_queue q where q.source_id = source.id and q.key = any(found.old_keys));
end
$$;
comment on function autoembed.respell_page is
  'Part of respell_keys(): gives what is kept under these keys the spelling that the rows have. Returns how many rows '
  'were locked, or claimed, and left out.';
