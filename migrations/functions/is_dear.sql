-- As src/search/nearest.ts has it.
create or replace function autoembed.is_dear(source autoembed.embedding_source, passing text) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  plan json;
  bytes integer;
begin
  execute format('explain (format json) %s', passing) into plan;
  select coalesce(nullif(a.atttypmod, -1), source.dimensions) * case when y.typname = 'halfvec' then 2 else 4 end
  into bytes
  from pg_attribute a join pg_type y on y.oid = a.atttypid
  where a.attrelid = coalesce(source.vector_table, source.watched_table)
    and a.attname = source.vector_column and not a.attisdropped;
  -- What it costs to fetch a vector that is stored beside its row, the planner does not count.
  return (plan->0->'Plan'->>'Total Cost')::double precision
    > case when coalesce(bytes, 0) <= 2000 then 8000 else 800 end;
end
$$;
comment on function autoembed.is_dear is
  'Whether to compare every vector that SQL selects would cost more than to look through the index first.';
