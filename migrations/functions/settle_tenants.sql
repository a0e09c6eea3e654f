create or replace function autoembed.settle_tenants(source autoembed.embedding_source) returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  update autoembed.embedding_queue q set tenant = 0
  where q.source_id = source.id and q.tenant is null and autoembed.tenant_sql(source, 'n') is not null;
  update autoembed.embedding_queue q set tenant = null
  where q.source_id = source.id and q.tenant is not null and q.failed_at is null
    and autoembed.tenant_sql(source, 'n') is null;
$$;
comment on function autoembed.settle_tenants is
  'Gives what is queued of a source a tenant, or takes it away, as the source has tenants now. Used by '
  'autoembed.watch().';
