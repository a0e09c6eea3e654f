create or replace function autoembed.tenant_values(source autoembed.embedding_source) returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select case when autoembed.tenant_sql(source, 'n') is null
    then jsonb_build_object('columns', 'source_id, key', 'distinct', 'distinct', 'k_key', 'k.key',
      'no_tenant', '', 'tenant_of_n', '', 'declare_tenant', '', 'set_tenant', '',
      'row', source.id || ', new_key')
    else jsonb_build_object(
      'columns', 'source_id, key, tenant',
      -- While two rows have one key, they may have two tenants; the queue has the key once.
      'distinct', 'distinct on (2)',
      -- 0 where the tenant cannot be read.
      'k_key', 'k.key, 0',
      'no_tenant', ', 0',
      'tenant_of_n', ', ' || autoembed.tenant_sql(source, 'n'),
      'declare_tenant', $sql$
  tenant_of_new integer := 0;$sql$,
      'set_tenant', format($sql$
    tenant_of_new := case when %s is not null then %s end;$sql$,
        quote_literal(source.watched_table::oid) || '::regclass', autoembed.tenant_sql(source, 'new')),
      'row', source.id || ', new_key, coalesce(tenant_of_new, 0)')
    end
$$;
comment on function autoembed.tenant_values is
  'The part of trigger_values() by which rows are queued with their tenants; nothing in a source without tenants.';
