create or replace function autoembed.nearest_sql(
  source autoembed.embedding_source, out selected text, out ordering text
)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  extension_schema constant text := autoembed.vector_schema();
  column_type text;
  column_length integer;
  is_open boolean;  -- the column takes vectors of any length
  compared text := format('v.%I', source.vector_column);
  vectors text := format('%s v', coalesce(source.vector_table, source.watched_table)::text);
begin
  select y.typname, coalesce(nullif(a.atttypmod, -1), source.dimensions), a.atttypmod = -1
  into column_type, column_length, is_open
  from pg_attribute a join pg_type y on y.oid = a.atttypid
  where a.attrelid = coalesce(source.vector_table, source.watched_table)
    and a.attname = source.vector_column and not a.attisdropped;
  -- Compared as the index of a source is, so that it is used: vectors of more than 2,000 dimensions as halfvec.
  if column_type = 'vector' and column_length between 2001 and 4000 then
    column_type := 'halfvec';
    compared := format('%s::%s.halfvec(%s)', compared, extension_schema, column_length);
  elsif is_open and column_length is not null then
    compared := format('%s::%s.%I(%s)', compared, extension_schema, column_type, column_length);
  end if;
  -- From a table of their own too: a role that may not read the watched row does not learn of its vector.
  if source.vector_table is not null then
    vectors := format('%s join %s t on %s', vectors, source.watched_table::text, (
      select string_agg(format('t.%1$I = v.%1$I', c), ' and ') from unnest(source.key_columns) c));
  end if;
  ordering := format('(%s) operator(%s.<=>) $1::%2$s.%3$I', compared, extension_schema, column_type);
  selected := format(
    'select %s as key, (%s)::double precision as distance, %s from %s where v.%I is not null',
    autoembed.key_sql('v', source.key_columns), ordering,
    case when source.passages is null then 'null::int, null::int, null::int'
      else 'v.chunk, v.start_char, v.end_char' end,
    vectors, source.vector_column);
end
$$;
comment on function autoembed.nearest_sql is
  'SQL that selects the keys of a source''s vectors and their distances from $1, and the expression that orders them.';
