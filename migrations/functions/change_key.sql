-- Part of a trigger function, which has queued the row under its new key.
create or replace function autoembed.change_key(
  source_id integer, old_key text, new_key text, is_respelled boolean
) returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  -- One key written in two ways, as 1.0 and 1.00: the row must not be in the queue twice.
  delete from autoembed.embedding_queue q where q.source_id = $1 and q.key = $2 and coalesce($4, false);
  insert into autoembed.embedding_queue (source_id, key, tenant)
  select $1, $2, (select q.tenant from autoembed.embedding_queue q where q.source_id = $1 and q.key = $3)
  where not coalesce($4, false)
  on conflict (source_id, key) do update set ticket = excluded.ticket, first_ticket = null,
    queued_at = excluded.queued_at, not_before = excluded.not_before, failed_at = null, owner = null, attempts = 0,
    last_error = null, tenant = excluded.tenant;
  select autoembed.move_ledger($1, $2, $3);
$$;
comment on function autoembed.change_key is
  'Part of a trigger: queues the former key, which another row may have now, and moves what is known of the row.';
