-- Called by a trigger function once per transaction, before it writes: a user's write must not fail where our own
-- tables have lost a right, a column, an index or themselves. The insert is over no row: it writes nothing and takes no
-- transaction id, and Postgres checks rights, columns and the index of "on conflict" all the same.
create or replace function autoembed.check_queue_is_writable() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into autoembed.embedding_queue as q (source_id, key, tenant) select 0, '', null where false
  on conflict (source_id, key) do update set ticket = excluded.ticket,
    first_ticket = coalesce(q.first_ticket, q.ticket), queued_at = excluded.queued_at,
    not_before = excluded.not_before, failed_at = null, owner = null, attempts = 0, last_error = null,
    tenant = excluded.tenant;
  if not has_sequence_privilege('autoembed.embedding_ticket', 'usage')
    -- Asked first: hides_rows() is planned at each call, which takes 0.4 ms.
    or (row_security_active('autoembed.embedding_queue'::regclass)
      and autoembed.hides_rows('autoembed.embedding_queue'::regclass, '{r,a,w,d}'))
    or not has_table_privilege('autoembed.embedding_queue', 'delete')
    or not has_table_privilege('autoembed.embedding_listener', 'select')
    or not has_table_privilege('autoembed.embedding_ledger', 'select')
    or not has_table_privilege('autoembed.embedding_ledger', 'insert')
    or not has_table_privilege('autoembed.embedding_ledger', 'update')
    or not has_table_privilege('autoembed.embedding_ledger', 'delete')
    or not has_table_privilege('autoembed.embedding_cache', 'select')
    or not has_table_privilege('autoembed.embedding_cache', 'update')
    or not has_table_privilege('autoembed.embedding_cache', 'delete')
  then
    raise insufficient_privilege;
  end if;
  perform set_config('autoembed.queue_is_writable', current_user, true);
end
$$;
comment on function autoembed.check_queue_is_writable is
  'Part of a trigger function: raises unless its owner can write what a change writes, and marks the transaction.';
