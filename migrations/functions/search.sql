-- Search from SQL. It runs as its caller: a role that may not read the table finds nothing in it. The first of these
-- had no filter.
drop function if exists autoembed.search(text, vector, integer);
create or replace function autoembed.search(
  source_name text, query_vector vector, k integer default 10, filter text default null
)
returns table (key text, distance double precision, chunk integer, start_char integer, end_char integer)
language plpgsql
set search_path = pg_catalog, pg_temp
-- A comparison of every row looks dear enough to be compiled, which takes as long again.
set jit = off
as $$
#variable_conflict use_column
declare
  source constant autoembed.embedding_source := autoembed.named_source(source_name);
  round record;
  nearest record;
  former constant jsonb := autoembed.index_settings();
  written text := 'b.key';
begin
  k := coalesce(k, 10);
  -- No row is near to nothing, such as the vector of a row that has none.
  if k < 1 or query_vector is null then
    return;
  end if;
  if not autoembed.key_is_plain(source) then
    select string_agg(format('autoembed.written(b.k%s)', n), ', ' order by n) into written
    from generate_series(1, cardinality(source.key_columns)) n;
    if cardinality(source.key_columns) > 1 then
      written := format('jsonb_build_array(%s)::text', written);
    end if;
  end if;
  for round in select * from autoembed.search_rounds(source, k, filter) loop
    perform set_config(s.key, s.value, true) from jsonb_each_text(round.settings) s;
    execute format('with near as materialized (%s), best as (
        select distinct on (key) * from near order by key, distance, chunk)
      select (select count(*) from near) as examined, array_agg(%s) as keys, array_agg(b.distance) as distances,
        array_agg(b.chunk) as chunks, array_agg(b.start_char) as starts, array_agg(b.end_char) as ends
      from (select * from best order by distance, key limit $2) b', round.near, written)
    into nearest using query_vector, k;
    exit when nearest.examined between round.least_rows and coalesce(round.most_rows, nearest.examined)
      and (round.least_rows = 0 or cardinality(nearest.keys) >= k);
  end loop;
  perform set_config(s.key, s.value, true) from jsonb_each_text(former) s;
  -- A vector of zeros has no direction: its distance is no number.
  return query select * from unnest(nearest.keys, nearest.distances, nearest.chunks, nearest.starts, nearest.ends)
    as found(key, distance) where found.distance < 'infinity';
end
$$;
comment on function autoembed.search(text, vector, integer, text) is
  'The k rows of a source nearest to a vector, by cosine distance: keys as the queue writes them, nearest first; of a '
  'text in chunks, with the number and the range of its best. The filter is SQL over the watched table''s columns.';
