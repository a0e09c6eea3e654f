--! Previous: sha1:40a8b0165926460b689e5385c309f4574e5d1c12
--! Hash: sha1:497cc06cc990841ce624a4d2273d888387ffe1b3
--! Message: tenants

-- Whose rows are waiting, so that the flood of one does not delay the single change of another. Of most sources the
-- queue does not know it: their rows are not in the index, and cost what they did. The claim walks it tenant by tenant.
alter table autoembed.embedding_source add column tenant_column text;
comment on column autoembed.embedding_source.tenant_column is
  'The column that tells whose row it is: the tenants of a source are claimed in turn. Null where there are none.';

alter table autoembed.embedding_queue add column tenant integer;
comment on column autoembed.embedding_queue.tenant is
  'A hash of the row''s tenant, of 32 bits: enough for turns, and not what the tenant is called. 0 where the tenant is '
  'not known; null where the source had no tenants when the row was queued.';

create index embedding_queue_tenant on autoembed.embedding_queue (source_id, tenant, ticket)
  where failed_at is null and tenant is not null;
