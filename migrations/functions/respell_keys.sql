-- Where a row is locked, or claimed, its keys stay as they are, and so does key_types: all keys are read the next time.
create or replace function autoembed.respell_keys(
  source_id integer, after text, left_out bigint, out last_read text, out locked bigint
)
language plpgsql
set search_path = pg_catalog, pg_temp
-- A plan that is kept may be one for the table as it was when it was small.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
  of_source constant integer := source_id;
  page_rows constant integer := 500;
  source autoembed.embedding_source;
  types text[];
  keys text[];
begin
  -- Without a lock first: somebody may hold the source, and most often there is nothing to do.
  select * into source from autoembed.embedding_source s where s.id = of_source;
  types := autoembed.key_types(source);
  locked := 0;
  if cardinality(types) is distinct from cardinality(source.key_columns) or types = source.key_types then
    return;
  end if;
  select * into source from autoembed.embedding_source s where s.id = of_source for no key update;
  types := autoembed.key_types(source);
  if cardinality(types) is distinct from cardinality(source.key_columns) or types = source.key_types then
    return;
  end if;
  if types = autoembed.kept_key_types(source) then
    update autoembed.embedding_source s set key_types = types where s.id = of_source;
    return;
  end if;
  keys := array(
    select k.key from (
      (select l.key from autoembed.embedding_ledger l
        where l.source_id = of_source and (after is null or l.key > after) order by l.key limit page_rows)
      union
      (select e.key from autoembed.embedding_cache e
        where e.source_id = of_source and (after is null or e.key > after) order by e.key limit page_rows)
      union
      (select q.key from autoembed.embedding_queue q
        where q.source_id = of_source and (after is null or q.key > after) order by q.key limit page_rows)) k
    order by k.key limit page_rows);
  last_read := keys[cardinality(keys)];
  if last_read is not null then
    locked := autoembed.respell_page(source, keys);
  elsif left_out = 0 then
    update autoembed.embedding_source s set key_types = types where s.id = of_source;
  end if;
end
$$;
comment on function autoembed.respell_keys is
  'Where the types of a source''s key were altered since key_types: gives ledger, cache and queue the keys as the rows '
  'have them now, a page at a time from the key that was last read; null at the end. left_out is how many rows were '
  'locked before.';
