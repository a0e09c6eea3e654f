-- As src/search/nearest.ts and index-rounds.ts look for the nearest rows. Of the many chunks of a row only the best
-- counts, and the first rows of an index to pass a filter are not the nearest: more are looked at than are wanted. What
-- an index has in another form than the column is put in exact order too.
create or replace function autoembed.search_rounds(source autoembed.embedding_source, k integer, filter text)
returns table (near text, least_rows integer, most_rows integer, settings jsonb)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  most_from_index constant integer := 1000;  -- pgvector's own limit
  few constant integer := 5000;  -- fewer are compared one by one, in less time than an index skips the others
  selected text;
  exact text;
  ordering text;
  per_row integer;  -- null without an index
  most integer;  -- candidates; the rest is for dead rows
  at_least bigint;  -- candidates per wanted row
  wanted bigint;
begin
  select n.selected, n.ordering into selected, exact from autoembed.nearest_sql(source, filter) n;
  select c.ordering, c.per_row into ordering, per_row from autoembed.candidates_sql(source) c;
  most := case when per_row = 1 then most_from_index else 800 end;
  at_least := greatest(1, per_row / 4);
  if per_row is null then
    null;
  elsif filter is null then
    for wanted in select distinct least(most::bigint, per_row * times * k)
      from unnest(case when source.passages is null then array[1::bigint] else array[10::bigint, 100] end) times
      where least(most::bigint, per_row * times * k) >= at_least * times * k order by 1
    loop
      -- With pgvector's default of 40, one question in thirty finds none of its nearest ten.
      return query select format('%s order by %s limit %s', selected, ordering, wanted), wanted::int, wanted::int,
        jsonb_build_object('hnsw.ef_search', least(most_from_index, greatest(200, 2 * wanted))::text);
    end loop;
  else
    return query select format('%s limit %s', selected, few + 1), 0, few, '{}'::jsonb;
    wanted := least(most_from_index, greatest(20, 2 * per_row) * k::bigint);
    if wanted >= at_least * k and autoembed.index_settings() ? 'hnsw.iterative_scan' then
      return query select format('%s order by %s limit %s', selected, ordering, wanted), wanted::int, wanted::int,
        jsonb_build_object(
          'hnsw.ef_search', greatest(200, wanted)::text,
          'hnsw.iterative_scan', 'relaxed_order',
          -- A twentieth of the index. A longer scan takes about as long as comparing every row.
          'hnsw.max_scan_tuples', (
            select greatest(few, sum(greatest(c.reltuples, 0)) / 20)::int::text
            from pg_class c
            where c.oid = coalesce(source.vector_table, source.watched_table) or c.oid in (
              select p.relid from pg_partition_tree(coalesce(source.vector_table, source.watched_table)) p)));
    end if;
  end if;
  -- Every row is compared: no index has this expression. Of chunks, all: they belong to an unknown number of rows.
  return query select selected || case when source.passages is null
    then format(' order by (%s) + 0 limit %s', exact, k) else '' end, 0, null::int, '{}'::jsonb;
end
$$;
comment on function autoembed.search_rounds is
  'SQL that selects a source''s vectors near to $1, from the cheapest to the one that compares all, each with the '
  'settings that it needs. It has found the nearest if it gives a number of rows from least_rows to most_rows.';
