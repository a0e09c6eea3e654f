-- Search from SQL. It runs as its caller: a role that may not read the table finds nothing in it.
create or replace function autoembed.search(source_name text, query_vector vector, k integer default 10)
returns table (key text, distance double precision, chunk integer, start_char integer, end_char integer)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  source autoembed.embedding_source;
  nearest text;
  ordering text;
  near text;
  width integer;
  found_rows bigint;
  candidates constant text := current_setting('hnsw.ef_search', true);
  index_scans constant text := current_setting('enable_indexscan');
begin
  select s.* into source from autoembed.embedding_source s where s.name = source_name;
  if not found then
    raise exception 'no source is called %', quote_literal(source_name)
      using hint = 'select name from autoembed.embedding_source;', errcode = 'undefined_object';
  end if;
  if k < 1 then
    return;
  end if;
  select n.selected, n.ordering into nearest, ordering from autoembed.nearest_sql(source) n;
  -- A row has many chunks, and only its best counts: more are looked at until k rows are found, and in the end all.
  foreach width in array case when source.passages is null then array[k] else array[10 * k, 100 * k, null] end loop
    -- The default of 40 would also be the most rows that an index gives; 1,000 is pgvector's own limit.
    perform set_config('hnsw.ef_search', least(1000, greatest(100, 2 * width))::text, true);
    near := nearest || case when width is null then '' else format(' order by %s limit %s', ordering, width) end;
    exit when source.passages is null or width is null;
    execute format('select count(distinct key) from (%s) n', near) into found_rows using query_vector;
    exit when found_rows >= k;
  end loop;
  -- More rows than an index gives are looked for without one. Chunks have been looked at to the last by now, if need
  -- be.
  if source.passages is null and k > 1000 then
    perform set_config('enable_indexscan', 'off', true);
  end if;
  return query execute case when source.passages is null then near else format(
    'select * from (select distinct on (key) * from (%s) n order by key, distance) b order by distance, key limit $2',
    near) end
  using query_vector, k;
  perform set_config('hnsw.ef_search', coalesce(nullif(candidates, ''), '40'), true);
  perform set_config('enable_indexscan', index_scans, true);
end
$$;
comment on function autoembed.search is
  'The k rows of a source nearest to a vector, by cosine distance: keys as the queue writes them, nearest first; of a '
  'text in chunks, with the number and the range of its best.';
