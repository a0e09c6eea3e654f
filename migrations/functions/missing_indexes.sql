-- A restore beside a running listener may lose a primary key: the rows that were written meanwhile were in its way.
-- What counts is what the key or index is, not what it is called; its storage settings are the user's to choose.
create or replace function autoembed.missing_indexes() returns table (name text, definition text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with wanted(name, relation, kind, rest) as (values
    ('embedding_asked_pkey', 'embedding_asked', 'primary key', '(source_id, text_hash)'),
    ('embedding_backfill_pkey', 'embedding_backfill', 'primary key', '(source_id)'),
    ('embedding_batch_making', 'embedding_batch', 'unique index',
      'btree (source_id) where (state = any (array[''filling''::text, ''uploaded''::text, ''creating''::text]))'),
    ('embedding_batch_pkey', 'embedding_batch', 'primary key', '(id)'),
    ('embedding_batch_source', 'embedding_batch', 'index', 'btree (source_id)'),
    ('embedding_batch_tag_key', 'embedding_batch', 'unique', '(tag)'),
    ('embedding_cache_age', 'embedding_cache', 'index', 'btree (created_at)'),
    ('embedding_cache_pkey', 'embedding_cache', 'primary key', '(model, text_hash)'),
    ('embedding_cache_row', 'embedding_cache', 'index', 'btree (source_id, key) where (source_id is not null)'),
    ('embedding_ledger_pkey', 'embedding_ledger', 'primary key', '(source_id, key)'),
    ('embedding_ledger_text', 'embedding_ledger', 'index',
      'btree (text_hash, model_id) where (vector_hash is not null)'),
    ('embedding_listener_pkey', 'embedding_listener', 'primary key', '(id)'),
    ('embedding_model_name_key', 'embedding_model', 'unique', '(name)'),
    ('embedding_model_pkey', 'embedding_model', 'primary key', '(id)'),
    ('embedding_page_batch', 'embedding_page', 'index', 'btree (batch_id) where (batch_id is not null)'),
    ('embedding_page_hashes', 'embedding_page', 'index', 'gin (batch_hashes) with (fastupdate=off)'),
    ('embedding_page_pkey', 'embedding_page', 'primary key', '(id)'),
    ('embedding_page_source', 'embedding_page', 'index', 'btree (source_id)'),
    ('embedding_question_pkey', 'embedding_question', 'primary key', '(model, text_hash)'),
    ('embedding_queue_pending', 'embedding_queue', 'index', 'btree (source_id, ticket) where (failed_at is null)'),
    ('embedding_queue_pkey', 'embedding_queue', 'primary key', '(source_id, key)'),
    ('embedding_queue_tenant', 'embedding_queue', 'index',
      'btree (source_id, tenant, ticket) where ((failed_at is null) and (tenant is not null))'),
    ('embedding_reservation_pkey', 'embedding_reservation', 'primary key', '(text_hash, cache_model)'),
    ('embedding_source_name_key', 'embedding_source', 'unique', '(name)'),
    ('embedding_source_pkey', 'embedding_source', 'primary key', '(id)'),
    ('embedding_spending_pkey', 'embedding_spending', 'primary key', '(day, source_id, model, purpose)'),
    ('embedding_usage_pkey', 'embedding_usage', 'primary key', '(source_id, day)'),
    ('migration_pkey', 'migration', 'primary key', '(filename)'),
    ('trigger_template_pkey', 'trigger_template', 'primary key', '(name)')
  )
  select w.name, coalesce(former.removal, '') || format(case when w.kind in ('primary key', 'unique')
      then 'alter table autoembed.%2$I add constraint %1$I %3$s %4$s;'
      else 'create %3$s %1$I on autoembed.%2$I using %4$s;' end, w.name, w.relation, w.kind, w.rest)
  from wanted w left join lateral (
    select string_agg(format(case when p.is_key then 'alter table autoembed.%I drop constraint %I cascade; '
      else 'drop index autoembed.%2$I; ' end, p.relation, p.name), '') as removal
    from autoembed.present_indexes() p
    where p.name = w.name or w.kind = 'primary key' and p.relation = w.relation and p.definition ^@ w.kind
  ) former on true
  where not exists (
    select from autoembed.present_indexes() p where p.relation = w.relation and p.is_valid
      and p.definition = w.kind || ' ' || regexp_replace(w.rest, ' with [(].*', ''))
  order by w.name
$$;
comment on function autoembed.missing_indexes is
  'Indexes and keys of our tables that are missing, invalid or changed, each with the statements that make it.';
