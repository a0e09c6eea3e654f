-- After every migration this is done again for roles that may call autoembed.search().
create or replace function autoembed.grant_search(searcher regrole) returns void
language plpgsql strict
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('grant usage on schema autoembed to %s', searcher::text);
  -- The right to this column is its mark, see intended_grantees().
  execute format('grant select, select (vector_column) on autoembed.embedding_source to %s', searcher::text);
  execute format('grant execute on function autoembed.search, autoembed.nearest_sql, autoembed.key_sql,
    autoembed.vector_schema to %s', searcher::text);
end
$$;
comment on function autoembed.grant_search is
  'Lets a role call autoembed.search(), which finds what that role may read.';
