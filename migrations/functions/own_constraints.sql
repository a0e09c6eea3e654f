-- Keys and unique indexes are those of `missing_indexes`. As `pg_get_constraintdef` writes them, in lower case.
create or replace function autoembed.own_constraints() returns table (name text, relation text, made_as text)
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  values
    ('embedding_asked_source_id_fkey', 'embedding_asked',
      'foreign key (source_id) references autoembed.embedding_source(id) on delete cascade'),
    ('embedding_backfill_source_id_fkey', 'embedding_backfill',
      'foreign key (source_id) references autoembed.embedding_source(id) on delete cascade'),
    ('embedding_batch_source_id_fkey', 'embedding_batch',
      'foreign key (source_id) references autoembed.embedding_source(id) on delete cascade'),
    ('embedding_batch_state_check', 'embedding_batch',
      'check ((state = any (array[''filling''::text, ''uploaded''::text, ''creating''::text, ''submitted''::text, '
      '''reading''::text, ''cleaning''::text])))'),
    ('embedding_page_batch_id_fkey', 'embedding_page',
      'foreign key (batch_id) references autoembed.embedding_batch(id) on delete set null'),
    ('embedding_page_source_id_fkey', 'embedding_page',
      'foreign key (source_id) references autoembed.embedding_backfill(source_id) on delete cascade'),
    ('embedding_queue_failed_is_not_claimed', 'embedding_queue', 'check (((failed_at is null) or (owner is null)))'),
    ('embedding_source_backend_check', 'embedding_source', 'check ((backend <> ''''::text))'),
    ('embedding_source_check', 'embedding_source', 'check (((passages is null) or (vector_table is not null)))'),
    ('embedding_source_dimensions_check', 'embedding_source',
      'check (((dimensions >= 1) and (dimensions <= 16000)))'),
    ('embedding_source_key_columns_check', 'embedding_source', 'check ((cardinality(key_columns) > 0))'),
    ('embedding_source_name_check', 'embedding_source', 'check ((name <> ''''::text))'),
    ('embedding_spending_purpose_check', 'embedding_spending',
      'check ((purpose = any (array[''question''::text, ''change''::text, ''retry''::text, ''backfill''::text, '
      '''model change''::text, ''rerank''::text])))'),
    ('trigger_template_name_check', 'trigger_template',
      'check ((name = any (array[''insert''::text, ''row''::text, ''delete''::text, ''truncate''::text])))')
$$;
comment on function autoembed.own_constraints is 'The checks and foreign keys of our tables.';
