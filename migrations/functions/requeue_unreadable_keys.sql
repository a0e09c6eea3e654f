create or replace function autoembed.requeue_unreadable_keys(
  source autoembed.embedding_source, types text[], columns text[]
) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  removed bigint;
  dropped bigint;
begin
  delete from autoembed.embedding_cache e
  where e.source_id = source.id and not autoembed.is_readable_key(e.key, types);
  get diagnostics removed = row_count;
  -- It goes by the order of its keys, which may be another now: it reads the table from the start.
  if exists (
    select from autoembed.embedding_backfill b
    left join autoembed.embedding_page p on p.source_id = b.source_id
    cross join lateral (values (b.position), (p.after), (p.upto)) as bound(texts)
    where b.source_id = source.id and not autoembed.is_readable_key(
      case when cardinality(types) = 1 then bound.texts[1] else to_jsonb(bound.texts)::text end, types))
  then
    update autoembed.embedding_backfill b set position = null, is_read = false where b.source_id = source.id;
    delete from autoembed.embedding_page p where p.source_id = source.id;
    removed := removed + 1;
  end if;
  delete from autoembed.embedding_queue q
  where q.source_id = source.id and not autoembed.is_readable_key(q.key, types);
  get diagnostics dropped = row_count;
  if dropped > 0 then
    perform autoembed.embed_all_again(source, columns);
  end if;
  return removed + dropped;
end
$$;
comment on function autoembed.requeue_unreadable_keys is 'Part of forget_unreadable_keys().';
