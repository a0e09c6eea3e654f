-- Chunks have the tenant of their text, whose row is looked up: next to embedding a chunk, a look into an index is
-- nothing.
create or replace function autoembed.tenant_sql(source autoembed.embedding_source, row_alias text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select case when source.tenant_column is not null
    then format('hashtext(coalesce(%s.%I::text, %L) collate "C")', row_alias, source.tenant_column, '')
    else (
      select format('coalesce((select hashtext(coalesce(p.%I::text, %L) collate "C") from %s p where %s limit 1), 0)',
        p.tenant_column, '', p.watched_table, autoembed.same_key_sql('p', row_alias, p.watched_table, p.key_columns))
      from autoembed.embedding_source p
      where p.tenant_column is not null and p.passages is not null and p.vector_table = source.watched_table
      order by p.id limit 1)
    end
$$;
comment on function autoembed.tenant_sql is
  'SQL for the hash of the tenant of the row row_alias; null in a source without tenants.';
