-- The key of a row as SQL text: a single column as text, several as a JSON array of texts.
create or replace function autoembed.key_sql(row_alias text, key_columns text[]) returns text
language sql immutable strict
set search_path = pg_catalog, pg_temp
as $$
  -- In the queue's own collation, whatever the column's, so that the queue is looked into by its index.
  select case
    when cardinality(key_columns) = 1 then format('(%s.%I::text collate "default")', row_alias, key_columns[1])
    else format('jsonb_build_array(%s)::text',
      (select string_agg(format('%s.%I::text', row_alias, c), ', ' order by n)
       from unnest(key_columns) with ordinality as k(c, n)))
  end
$$;
comment on function autoembed.key_sql is 'SQL for the queue''s key of the row row_alias.';
