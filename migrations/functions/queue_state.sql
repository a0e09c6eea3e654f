-- With its owner's rights: who waits for a row may not read the queue. It says no more than it is asked.
create or replace function autoembed.queue_state(asked_source integer, row_key text) returns text
language sql stable strict security definer
set search_path = pg_catalog, pg_temp
as $$
  with source as (
    select s.* from autoembed.embedding_source s where s.id = asked_source
  ), queued as (
    select q.failed_at, q.xmin from autoembed.embedding_queue q where q.source_id = asked_source and q.key = row_key
    union all
    -- Its chunks: their keys are that of the row and a number.
    select q.failed_at, q.xmin
    from source s join autoembed.embedding_source c on s.passages is not null and c.watched_table = s.vector_table
    join autoembed.embedding_queue q on q.source_id = c.id
    where starts_with(q.key,
      left(case cardinality(s.key_columns) when 1 then jsonb_build_array(row_key)::text else row_key end, -1) || ', ')
  ), present as (
    select pg_snapshot_xmax(pg_current_snapshot())::text::numeric as xid
  )
  select case
    when bool_or(q.failed_at is not null) then 'failed'
    -- Only a change of this transaction is seen while it is in progress; xmin lacks the upper half of its number.
    when bool_or(pg_xact_status((p.xid - mod(p.xid - q.xmin::text::numeric, 4294967296))::text::xid8) = 'in progress')
      then 'uncommitted'
    when count(*) > 0 then 'pending'
  end from queued q cross join present p
$$;
comment on function autoembed.queue_state is
  'What the queue has of a row, or of its chunks: failed, pending (claimed or not), uncommitted (pending by a change '
  'of this transaction), or null for nothing.';
