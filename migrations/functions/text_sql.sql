create or replace function autoembed.text_sql(source autoembed.embedding_source, row_alias text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select case when alias is null then format('(%s)::text', source.text_expression)
    else format('(select (%s)::text from (select %s.*) %I)', source.text_expression, row_alias, alias) end
  from autoembed.text_alias(source) alias
$$;
comment on function autoembed.text_sql is 'SQL for the text of the row row_alias.';
