create or replace function autoembed.search_as_json(
  source_name text, query_vector vector, k integer, filter text
) returns jsonb
language sql
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('key', s.key, 'score', 1 - s.distance,
    'distance', s.distance, 'chunk', s.chunk, 'start_char', s.start_char, 'end_char', s.end_char))
    order by s.distance, s.key) filter (where s.distance < 'infinity'), '[]')
  from autoembed.search(source_name, query_vector, k, filter) s
$$;
comment on function autoembed.search_as_json is
  'What autoembed.search() finds, as the answer of autoembed.ask(): an array of {key, score, distance}, best first, '
  'without rows whose distance is no number.';
