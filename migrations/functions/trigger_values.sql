create or replace function autoembed.trigger_values(source autoembed.embedding_source) returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp
-- The functions would be spelled in another way in each session that has this on, and never be up to date.
set quote_all_identifiers = off
as $$
  select jsonb_build_object(
    'source_id', source.id,
    'settings', autoembed.trigger_settings(source),
    'watched_table', source.watched_table::text,
    'watched_name', quote_literal(source.watched_table::text),
    'watched_oid', source.watched_table::oid || '::oid',
    'is_foreign', format('tg_relid <> %1$s::oid and pg_partition_root(tg_relid) is distinct from %1$s::oid '
      'and not autoembed.is_watched(%2$s, tg_relid)', source.watched_table::oid, source.id),
    'watched_regclass', quote_literal(source.watched_table::oid) || '::regclass',
    -- So that columns are found under the names that they have later.
    'key_numbers', (
      select quote_literal(array_agg(a.attnum order by k.n)) || '::int2[]'
      from unnest(source.key_columns) with ordinality as k(c, n)
      join pg_attribute a on a.attrelid = source.watched_table and a.attname = k.c and not a.attisdropped),
    'text_number', coalesce((
      select quote_literal(a.attnum) from pg_attribute a
      where a.attrelid = source.watched_table and quote_ident(a.attname) = source.text_expression
        and not a.attisdropped and autoembed.text_is_plain(source)), 'null') || '::int2',
    'key_of_n', autoembed.key_sql('n', source.key_columns),
    'key_of_o', autoembed.key_sql('o', source.key_columns),
    'key_of_new', autoembed.key_sql('new', source.key_columns),
    'key_of_old', autoembed.key_sql('old', source.key_columns),
    'key_is_the_same', autoembed.same_key_sql('t', 'o', source.watched_table, source.key_columns),
    'key_is_kept', autoembed.same_key_sql('old', 'new', source.watched_table, source.key_columns),
    -- Asked only where the answer may be no: it costs 0.3 us per row.
    'is_update', case when autoembed.fires_by_row(source) then $sql$tg_op = 'UPDATE'$sql$ else 'true' end,
    -- A partition that is watched itself may get a row from one that is not: nothing tells that from an insert.
    'moves_rows', (
      select (c.relkind = 'p' and not c.relispartition)::text from pg_class c where c.oid = source.watched_table),
    'is_changed', autoembed.is_changed_sql(source),
    -- While a key that is checked at the end of a transaction is not, two rows may have it; the queue has it once.
    'select_keys', case when autoembed.key_is_immediate(source.watched_table, source.key_columns)
      then 'select' else 'select ' || (autoembed.tenant_values(source) ->> 'distinct') end,
    'deleted_rows', case when autoembed.fires_by_row(source) then '(select old.*)' else 'old_rows' end,
    'has_no_vector', autoembed.has_no_vector_sql(source),
    'needs_vector', autoembed.needs_vector_sql(source),
    -- Of bytes: a btree takes 2,704 for an entry, with the source's id and headers.
    'longest_key', '2600',
    -- A key's NOT NULL may be dropped later. "Is not null" is false for a composite value with a field that is null.
    'has_key', case when cardinality(source.key_columns) = 1
      then format('n.%I is distinct from null', source.key_columns[1]) else 'true' end,
    'key_fits', autoembed.key_fits_sql(source),
    'all_keys_fit', case when autoembed.key_fits_sql(source) = 'true' then 'true'
      else format('(select coalesce(bool_and(%s), true) from new_rows n)', autoembed.key_fits_sql(source)) end,
    'warn', format('raise warning using message = %L, hint = %L;',
      format('a key of %s is longer than 2600 bytes: the row gets no vector',
        autoembed.ascii_name(source.watched_table)),
      'Watch the table by a shorter key.'),
    -- Not where one transaction has found out already.
    'check_queue', autoembed.check_queue_sql(source), 'give_up', autoembed.give_up_sql(source),
    'probe', autoembed.probe_sql(source), 'erase', autoembed.erase_sql(source),
    'requeue', 'on conflict (source_id, key) do update set ticket = excluded.ticket, '
      'first_ticket = coalesce(embedding_queue.first_ticket, embedding_queue.ticket),
        queued_at = excluded.queued_at, not_before = excluded.not_before,
        failed_at = null, owner = null, attempts = 0, last_error = null'
      || case when autoembed.tenant_sql(source, 'n') is null then '' else ', tenant = excluded.tenant' end,
    -- NOTIFY takes a server-wide lock at commit, so it is sent only when a listener may be asleep. A transaction whose
    -- snapshot is older than its statement cannot see whether one is, and always sends.
    -- A transaction that is to be prepared must send none: its session says so.
    'wake', format($sql$perform pg_notify('autoembed', '%s')
        where current_setting('autoembed.notify', true) is distinct from 'off'
          and (current_setting('transaction_isolation') <> 'read committed'
            or exists (select from autoembed.embedding_listener where idle));$sql$, source.id))
    || autoembed.tenant_values(source)
$$;
comment on function autoembed.trigger_values is 'What the placeholders of the trigger templates stand for in a source.';
