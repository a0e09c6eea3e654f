-- A dump may have been made without one of our tables, as of one that is large.
create or replace function autoembed.lost_tables() returns table (kind text, name text, definition text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with made(relation, persistence, columns) as (values
    ('embedding_asked', 'u', 'source_id text_hash question owner failure asked_at'),
    ('embedding_backfill', 'p', 'source_id started_at is_all key_columns position is_read reads_again done'
      ' in_batches spends_at_most spent finish_by paced_from paced_done paced_rows'),
    ('embedding_batch', 'p', 'id source_id tag state model_id owner not_before attempts lines characters'
      ' lines_read refused embedded input_file provider_batch output_file error_file made_at submitted_at'
      ' expires_at problem'),
    ('embedding_cache', 'p', 'model text_hash embedding created_at source_id key'),
    ('embedding_ledger', 'p', 'source_id model_id embedded_at text_hash vector_hash key'),
    ('embedding_listener', 'p', 'id seen_at idle started_at host pid version state'),
    ('embedding_model', 'p', 'id name created_at'),
    ('embedding_page', 'p', 'id source_id after upto owner not_before attempts for_batch batch_id batch_keys'
      ' batch_hashes first_line waits batch_attempts'),
    ('embedding_question', 'u', 'model text_hash embedding asked_at'),
    ('embedding_queue', 'p', 'ticket queued_at not_before failed_at source_id owner attempts key last_error tenant'
      ' first_ticket'),
    ('embedding_reservation', 'u', 'text_hash cache_model ticket owner reserved_at'),
    ('embedding_source', 'p', 'id name watched_table key_columns text_expression vector_column vector_table'
      ' passages backend model dimensions settings paused trouble triggers created_at current_model question_model'
      ' tenant_column key_types'),
    ('embedding_spending', 'p', 'day source_id model purpose requests tokens unpriced_tokens cost'),
    ('embedding_usage', 'p', 'source_id day embedded cached failed truncated requests tokens model characters'
      ' counted_tokens timed_texts request_ms waits'),
    ('migration', 'p', 'filename hash version applied_at'),
    ('trigger_template', 'p', 'name body')
  ), present as (
    select c.oid, c.relname, c.relpersistence from pg_class c
    where c.relnamespace = 'autoembed'::regnamespace and c.relkind in ('r', 'S')
  )
  select 'missing', w.name,
    -- Lost with the extension, and with it the vectors of the rows that are left. Null while that is not there again.
    case when w.name in ('embedding_cache.embedding', 'embedding_question.embedding') then (
      select format('delete from autoembed.%1$I; alter table autoembed.%1$I add column embedding %2$s.vector not null;',
        split_part(w.name, '.', 1), e.extnamespace::regnamespace)
      from pg_extension e where e.extname = 'vector') end
  from (
    select m.relation || coalesce('.' || a.name, '') as name
    from made m left join present t on t.relname = m.relation
    left join lateral (
      select c.name from unnest(string_to_array(m.columns, ' ')) c(name)
      where not exists (
        select from pg_attribute a where a.attrelid = t.oid and a.attname = c.name and not a.attisdropped)
    ) a on t.oid is not null
    where t.oid is null or a.name is not null
    union all
    select 'embedding_ticket' where not exists (select from present where relname = 'embedding_ticket')
  ) w
  union all
  select 'persistence', t.relname, format('alter table autoembed.%I set %s;', t.relname,
    case m.persistence when 'p' then 'logged' else 'unlogged' end)
  from made m join present t on t.relname = m.relation and t.relpersistence <> m.persistence
$$;
comment on function autoembed.lost_tables is
  'Tables, columns and a sequence of ours that are missing, and tables that became logged or unlogged; each with the '
  'statement that mends it, where one does. Waits for no lock.';
