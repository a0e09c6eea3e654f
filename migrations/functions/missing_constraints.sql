-- A dump that was changed before its restore, or rows that were in its way, may cost a check or a foreign key. Then
-- what belongs to a source stays when the source goes. One that is not valid leaves such rows there.
create or replace function autoembed.missing_constraints() returns table (name text, definition text)
language sql stable
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
  with wanted(name, relation, made_as) as (values
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
  ), made as (
    select k.conrelid, k.conname, k.convalidated, replace(d.made_as, ' not valid', '') as made_as,
      -- As `alter table ... disable trigger all` leaves it, and a restore with --disable-triggers that was cut off.
      exists (select from pg_trigger t where t.tgconstraint = k.oid and t.tgenabled in ('D', 'R')) as is_off
    from pg_constraint k cross join lower(pg_get_constraintdef(k.oid) collate "C") d(made_as)
    where k.connamespace = 'autoembed'::regnamespace and k.contype in ('c', 'f')
  )
  select w.name, case
      -- Only a superuser may switch on what Postgres itself has made.
      when m.is_off then format('alter table autoembed.%I drop constraint %I, add constraint %2$I %s;',
        w.relation, m.conname, w.made_as)
      when m.conname is not null then format('alter table autoembed.%I validate constraint %I;', w.relation, m.conname)
      else format('alter table autoembed.%I drop constraint if exists %I, add constraint %2$I %s;',
        w.relation, w.name, w.made_as) end
  from wanted w join pg_class t on t.relnamespace = 'autoembed'::regnamespace and t.relname = w.relation
  left join lateral (
    select * from made m where m.conrelid = t.oid and m.made_as = w.made_as
    order by m.convalidated and not m.is_off desc limit 1
  ) m on true
  where m.conname is null or m.is_off or not m.convalidated
  order by w.name
$$;
comment on function autoembed.missing_constraints is
  'Checks and foreign keys of our tables that are missing, changed, not valid or off, each with what restores it.';
