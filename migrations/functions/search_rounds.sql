-- As src/search/nearest.ts and index-rounds.ts look for the nearest rows. Of the many chunks of a row only the best
-- counts, and of the nearest rows few may pass a filter: more are looked at than are wanted. What an index has in
-- another form than the column is put in exact order too.
drop function if exists autoembed.search_rounds(autoembed.embedding_source, integer, text);
create or replace function autoembed.search_rounds(source autoembed.embedding_source, k integer, filter text)
returns table (near text, least_rows integer, most_rows integer, settings jsonb)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  few constant integer := 10000;  -- rows, of which the planner may be wrong
  most constant bigint := 800;  -- candidates; pgvector gives 1,000, of which dead rows take places
  chunks_per_row constant bigint := case when source.passages is null then 1 else 10 end;
  passing record;
  judged record;
  ordering text;
  per_row integer;  -- null without an index
  wanted bigint;
  candidates bigint;
begin
  select * into passing from autoembed.nearest_sql(source, filter, false);
  select c.ordering, c.per_row into ordering, per_row from autoembed.candidates_sql(source) c;
  if per_row is not null and filter is null then
    for wanted in select distinct least(case per_row when 1 then 1000 else most end, per_row * times * k)
      from unnest(array[chunks_per_row, chunks_per_row ^ 2]::bigint[]) times
      where least(case per_row when 1 then 1000 else most end, per_row * times * k)
        >= greatest(1, per_row / 4.0) * times * k order by 1
    loop
      return query select format('%s order by %s limit %s', passing.selected, ordering, wanted), wanted::int,
        null::int, autoembed.settings_for_candidates(wanted, false);
    end loop;
  elsif per_row is not null then
    if not autoembed.is_dear(source, 'select ' || passing.compared) then
      return query select format('%s limit %s', passing.selected, few + 1), 0, few, '{}'::jsonb;
    end if;
    select * into judged from autoembed.nearest_sql(source, filter, true);
    wanted := per_row * chunks_per_row * k;
    -- If those are too few, a share of the whole that is sought through in a tenth of the time of comparing all.
    for candidates, wanted in
      select f.candidates, wanted from (select least(most, greatest(250, 20::bigint * k, 2 * wanted))) f(candidates)
      where f.candidates >= 2 * wanted
      union all
      select m.candidates, 3 * wanted
      from (select round(autoembed.estimated_vectors(source) / 200.0)::bigint) m(candidates)
      where m.candidates > greatest(most, 3 * wanted) and autoembed.index_settings() ? 'hnsw.iterative_scan'
    loop
      -- The filter stands outside, where it changes nothing about the index being used.
      return query select
        format('select n.* from (%s order by %s limit %s) n where n.passes', judged.selected, ordering, candidates),
        wanted::int, null::int, autoembed.settings_for_candidates(candidates, candidates > most);
    end loop;
  end if;
  -- Every row is compared: no index has this expression. Of chunks, all: they belong to an unknown number of rows.
  return query select passing.selected || case when source.passages is null
    then format(' order by (%s) + 0 limit %s', passing.ordering, k) else '' end, 0, null::int, '{}'::jsonb;
end
$$;
comment on function autoembed.search_rounds is
  'SQL that selects a source''s vectors near to $1, from the cheapest to the one that compares all, each with the '
  'settings that it needs. It has found the nearest if it gives a number of rows from least_rows to most_rows.';
