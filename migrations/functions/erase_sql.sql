create or replace function autoembed.erase_sql(source autoembed.embedding_source) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  -- The keys are selected, so that no plan is made for those of one call.
  select format($sql$with dequeued as (
        delete from autoembed.embedding_queue q where q.source_id = %1$s and q.key = any((select gone_keys)::text[])
      ), unrecorded as (
        delete from autoembed.embedding_ledger l where l.source_id = %1$s and l.key = any((select gone_keys)::text[])
      )
      delete from autoembed.embedding_cache e
      where e.source_id = %1$s and e.key = any((select gone_keys)::text[]);$sql$, source.id)
$$;
comment on function autoembed.erase_sql is
  'What the delete trigger of a source does about the rows gone_keys, as a statement of PL/pgSQL.';
