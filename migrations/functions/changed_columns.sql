-- A hand, or a dump that was changed before its restore, may have taken from a column what our statements leave to it.
create or replace function autoembed.changed_columns() returns table (name text, definition text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  -- A column with a default is not null too.
  with made(relation, made_as, columns) as (values
    ('embedding_asked', 'not null', 'source_id text_hash'), ('embedding_asked', 'default now()', 'asked_at'),
    ('embedding_backfill', 'not null', 'source_id is_all key_columns'),
    ('embedding_backfill', 'default 0', 'done spent'),
    ('embedding_backfill', 'default false', 'is_read reads_again in_batches'),
    ('embedding_backfill', 'default now()', 'started_at'), ('embedding_batch', 'not null', 'id source_id tag model_id'),
    ('embedding_batch', 'always as identity', 'id'), ('embedding_batch', 'default ''filling''::text', 'state'),
    ('embedding_batch', 'default 0', 'attempts lines characters lines_read refused embedded'),
    ('embedding_batch', 'default now()', 'not_before made_at'),
    ('embedding_cache', 'not null', 'model text_hash embedding'), ('embedding_cache', 'default now()', 'created_at'),
    ('embedding_ledger', 'not null', 'source_id text_hash key'), ('embedding_ledger', 'default now()', 'embedded_at'),
    ('embedding_listener', 'not null', 'id host pid version'), ('embedding_listener', 'always as identity', 'id'),
    ('embedding_listener', 'default ''{}''::jsonb', 'state'), ('embedding_listener', 'default true', 'idle'),
    ('embedding_listener', 'default now()', 'seen_at started_at'),
    ('embedding_model', 'not null', 'id name'), ('embedding_model', 'always as identity', 'id'),
    ('embedding_model', 'default now()', 'created_at'),
    ('embedding_page', 'not null', 'id source_id upto'), ('embedding_page', 'always as identity', 'id'),
    ('embedding_page', 'default 0', 'attempts batch_attempts'), ('embedding_page', 'default false', 'for_batch waits'),
    ('embedding_page', 'default now()', 'not_before'),
    ('embedding_question', 'not null', 'model text_hash embedding'),
    ('embedding_question', 'default now()', 'asked_at'), ('embedding_queue', 'not null', 'source_id key'),
    ('embedding_queue', 'default now()', 'queued_at not_before'), ('embedding_queue', 'default 0', 'attempts'),
    ('embedding_queue', 'default nextval(''autoembed.embedding_ticket''::regclass)', 'ticket'),
    ('embedding_reservation', 'not null', 'text_hash cache_model ticket owner'),
    ('embedding_reservation', 'default now()', 'reserved_at'),
    ('embedding_source', 'not null', 'id name watched_table key_columns text_expression vector_column'),
    ('embedding_source', 'default ''{}''::jsonb', 'settings triggers'), ('embedding_source', 'default false', 'paused'),
    ('embedding_source', 'default now()', 'created_at'), ('embedding_source', 'always as identity', 'id'),
    ('embedding_spending', 'not null', 'source_id model purpose'),
    ('embedding_spending', 'default ((now() AT TIME ZONE ''utc''::text))::date', 'day'),
    ('embedding_spending', 'default 0', 'requests tokens unpriced_tokens cost'),
    ('embedding_usage', 'not null', 'source_id'), ('embedding_usage', 'default ''{}''::bigint[]', 'waits'),
    ('embedding_usage', 'default ((now() AT TIME ZONE ''utc''::text))::date', 'day'),
    ('embedding_usage', 'default 0', 'embedded cached failed truncated requests tokens characters counted_tokens '
      'timed_texts request_ms'),
    ('migration', 'not null', 'filename hash version'), ('migration', 'default now()', 'applied_at'),
    ('trigger_template', 'not null', 'name body')
  ), wanted as (
    select m.relation, m.made_as, c.name, a.attnotnull as is_not_null, a.attidentity = 'a' as is_identity,
      'default ' || pg_get_expr(d.adbin, d.adrelid) as found
    from made m cross join unnest(string_to_array(m.columns, ' ')) c(name)
    join pg_class t on t.relnamespace = 'autoembed'::regnamespace and t.relname = m.relation
    join pg_attribute a on a.attrelid = t.oid and a.attname = c.name
    left join pg_attrdef d on d.adrelid = t.oid and d.adnum = a.attnum
  )
  select format('%s.%s', w.relation, w.name),
    format('alter table autoembed.%I alter %I %s;', w.relation, w.name, l.made)
  from wanted w, lateral (values
    ('set not null', w.made_as not like '%identity' and not w.is_not_null),
    ('set ' || w.made_as, w.made_as like 'default %' and w.found is distinct from w.made_as),
    ('add generated ' || w.made_as, w.made_as like '%identity' and not w.is_identity)
  ) l(made, is_lost)
  where l.is_lost order by w.relation, w.name, l.made desc
$$;
comment on function autoembed.changed_columns is
  'Columns of our tables that have lost a default or their NOT NULL, each with the statement that restores it.';
