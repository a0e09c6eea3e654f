--! Previous: sha1:479df5c31c290156674676f8666f94e58be1013c
--! Hash: sha1:ea279506cb800d9feae863300019887fbc06f2c2
--! Message: search

-- Search from SQL. It runs as its caller: who may not read the table finds nothing in it. The comparison is spelled
-- as the index of `npm run index` is, so that it is used: vectors of more than 2,000 dimensions as halfvec.
create function public.embed_search(source_name text, query_vector vector, k integer default 10)
returns table (key text, distance double precision, chunk integer, start_char integer, end_char integer)
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  source public.embedding_source;
  extension_schema constant text := (
    select quote_ident(n.nspname) from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector');
  column_type text;
  column_length integer;
  compared text := '%s';
  vectors text;
  nearest text;
  near text;
  width integer;
  found_rows bigint;
  candidates constant text := current_setting('hnsw.ef_search', true);
  index_scans constant text := current_setting('enable_indexscan');
begin
  select s.* into source from public.embedding_source s where s.name = source_name;
  if not found then
    raise exception 'no source is called %', quote_literal(source_name)
      using hint = 'select name from embedding_source;', errcode = 'undefined_object';
  end if;
  if k < 1 then
    return;
  end if;
  select y.typname, nullif(a.atttypmod, -1) into column_type, column_length
  from pg_attribute a join pg_type y on y.oid = a.atttypid
  where a.attrelid = coalesce(source.vector_table, source.watched_table) and a.attname = source.vector_column and not a.attisdropped;
  if coalesce(column_length, source.dimensions) is not null then
    if column_type = 'vector' and coalesce(column_length, source.dimensions) between 2001 and 4000 then
      column_type := 'halfvec';
      compared := format('%%s::%s.halfvec(%s)', extension_schema, coalesce(column_length, source.dimensions));
    elsif column_length is null then
      compared := format('%%s::%s.%I(%s)', extension_schema, column_type, source.dimensions);
    end if;
  end if;
  -- From a table of their own too: who may not read the watched row is not told of its vector.
  vectors := format('%s v', coalesce(source.vector_table, source.watched_table)::text);
  if source.vector_table is not null then
    vectors := format('%s join %s t on %s', vectors, source.watched_table::text, (
      select string_agg(format('t.%1$I = v.%1$I', c), ' and ') from unnest(source.key_columns) c));
  end if;
  nearest := format(
    'select %1$s as key, (%2$s operator(%3$s.<=>) $1::%3$s.%4$I)::double precision as distance, %7$s from %5$s where v.%6$I is not null',
    public.embed_key_sql('v', source.key_columns), format('(' || compared || ')', format('v.%I', source.vector_column)),
    extension_schema, column_type, vectors, source.vector_column,
    case when source.passages is null then 'null::int, null::int, null::int' else 'v.chunk, v.start_char, v.end_char' end);
  -- A row has many passages, and only its best counts: more are looked at until k rows are found, and in the end all.
  foreach width in array case when source.passages is null then array[k] else array[10 * k, 100 * k, null] end loop
    -- The default of 40 would also be the most rows that an index gives; 1,000 is pgvector's own limit.
    perform set_config('hnsw.ef_search', least(1000, greatest(100, 2 * width))::text, true);
    near := nearest || case when width is null then '' else format(' order by %s operator(%s.<=>) $1::%2$s.%I limit %s',
      format('(' || compared || ')', format('v.%I', source.vector_column)), extension_schema, column_type, width) end;
    exit when source.passages is null or width is null;
    execute format('select count(distinct key) from (%s) n', near) into found_rows using query_vector;
    exit when found_rows >= k;
  end loop;
  -- More rows than an index gives are looked for without one. Passages have been looked at to the last by now, if need be.
  if source.passages is null and k > 1000 then
    perform set_config('enable_indexscan', 'off', true);
  end if;
  return query execute case when source.passages is null then near else
    format('select * from (select distinct on (key) * from (%s) n order by key, distance) b order by distance, key limit $2', near) end
  using query_vector, k;
  perform set_config('hnsw.ef_search', coalesce(nullif(candidates, ''), '40'), true);
  perform set_config('enable_indexscan', index_scans, true);
end
$$;
comment on function public.embed_search is 'The k rows of a source nearest to a vector, by cosine distance: keys as the queue writes them, nearest first; of a text in passages, with the number and the range of its best.';
