drop function if exists autoembed.nearest_sql(autoembed.embedding_source);
drop function if exists autoembed.nearest_sql(autoembed.embedding_source, text);
create or replace function autoembed.nearest_sql(
  source autoembed.embedding_source, filter text, is_judged boolean,
  out selected text, out compared text, out ordering text
)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- The filter ends with its line: it may end in a comment.
  watched constant text := case when filter is null then source.watched_table::text
    when is_judged then format('(select *, (%s
      ) as autoembed_passes from %s)', filter, source.watched_table::text)
    else format('(select * from %s where (%s
      ))', source.watched_table::text, filter) end;
  passes constant text := case when filter is null or not is_judged then 'true'
    when source.vector_table is null then 'v.autoembed_passes' else 't.autoembed_passes' end;
  vectors text := format('%s v', case when source.vector_table is null then watched
    else source.vector_table::text end);
begin
  -- From a table of their own too: a role that may not read the watched row does not learn of its vector.
  if source.vector_table is not null then
    vectors := format('%s join %s t on %s', vectors, watched, (
      select string_agg(format('t.%1$I = v.%1$I', c), ' and ') from unnest(source.key_columns) c));
  end if;
  select f.ordering into ordering from autoembed.vector_forms(source) f limit 1;
  compared := format('from %s where v.%I is not null', vectors, source.vector_column);
  selected := format('select %s as key, %s, (%s)::double precision as distance, %s, %s as passes %s',
    autoembed.key_sql('v', source.key_columns),
    (select string_agg(format('v.%I as k%s', c, n), ', ' order by n) from unnest(source.key_columns)
      with ordinality k(c, n)), ordering,
    case when source.passages is null
      then 'null::int as chunk, null::int as start_char, null::int as end_char'
      else 'v.chunk, v.start_char, v.end_char' end,
    passes, compared);
end
$$;
comment on function autoembed.nearest_sql is
  'SQL that selects the keys of a source''s vectors, as text and as k1, k2, ..., and their distances from $1: of the '
  'rows that pass the filter, or of all, with whether they pass. Of it, the rows that it selects from, and the '
  'expression that orders them.';
