-- As src/search/index-rounds.ts has them.
drop function if exists autoembed.settings_for_candidates(bigint);
create or replace function autoembed.settings_for_candidates(candidates bigint, goes_on boolean) returns jsonb
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select case when goes_on
    then jsonb_build_object('hnsw.ef_search', '1000', 'hnsw.iterative_scan', 'relaxed_order',
      'hnsw.max_scan_tuples', candidates::text)
    -- With pgvector's default of 40, one question in thirty finds none of its nearest ten.
    else jsonb_build_object('hnsw.ef_search', least(1000, greatest(200, 2 * candidates))::text) end
$$;
comment on function autoembed.settings_for_candidates is
  'The settings of pgvector with which an index gives so many candidates; or goes on until it has looked at so many.';
