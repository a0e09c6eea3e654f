create or replace function autoembed.index_settings() returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_object_agg(s.name, coalesce(nullif(current_setting(s.name, true), ''), s.standard))
  from (values
    ('hnsw.ef_search', '40', '{0,5}'), ('hnsw.iterative_scan', 'off', '{0,8}'),
    ('hnsw.max_scan_tuples', '20000', '{0,8}')
  ) s(name, standard, since)
  join pg_extension e on e.extname = 'vector' and string_to_array(e.extversion, '.')::int[] >= s.since::int[]
$$;
comment on function autoembed.index_settings is
  'The settings of pgvector that a search changes, as they are: those of this version of it.';
