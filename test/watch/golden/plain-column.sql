CREATE OR REPLACE FUNCTION autoembed.source_11_delete()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  gone_keys text[];
  mark text;
begin
  -- For the insert that follows, if an update has moved the row to another partition. By the depth of triggers: what
  -- one of the user's own writes in between has marks of its own. As a number: what a time looks like depends on
  -- settings.
  if false then
    mark := set_config('autoembed.row_left_11_' || pg_trigger_depth(),
      extract(epoch from statement_timestamp())::text, true);
  end if;
  begin
    -- Attached to another table, by a role that was given the right to execute it, this would dequeue rows of ours.
    if tg_relid <> <oid>::oid and pg_partition_root(tg_relid) is distinct from <oid>::oid and not autoembed.is_watched(11, tg_relid) then
      return null;
    end if;
    -- The name that the statement below finds it by may be another table's.
    if 'app.notes'::regclass <> tg_relid then
      if 'app.notes'::regclass not in (select pg_partition_ancestors(tg_relid)) then
        raise undefined_table;
      end if;
    end if;
    -- Where rows are hidden from this function's owner, another row may be in a deleted one's place. By the table's
    -- name: its number is another table's after a restore. Once per transaction: hides_rows() is planned at each call.
    if row_security_active('app.notes') then
      if left(current_setting('autoembed.hides_11', true), -1)
        is distinct from extract(epoch from now())::text
      then
        mark := set_config('autoembed.hides_11', extract(epoch from now())::text
          || autoembed.hides_rows('app.notes'::regclass, '{r}')::int, true);
      end if;
      if right(current_setting('autoembed.hides_11', true), 1) <> '0' then
        return null;
      end if;
    end if;
    select array_agg(g.key) into gone_keys from (
      select (o.id::text collate "default") as key from old_rows o
      where not exists (select from app.notes t where t.id = o.id)
    ) g;
  exception when syntax_error_or_access_rule_violation or invalid_schema_name then
    -- The table or its schema was renamed, or what is known of it; or a right is missing: then the drain drops a queue
    -- row that has no row any more.
    begin
      execute autoembed.gone_keys_sql(11, <oid>::oid, '{1}'::int2[], tg_relid, tg_level)
      into gone_keys using old;
    exception when syntax_error_or_access_rule_violation or invalid_schema_name then
      return null;
    end;
  end;
  if gone_keys is null then
    return null;
  end if;
  -- The user's write must not fail where our tables have lost a right, a column or themselves. That is found out once
  -- per transaction: whatever writes in a block like these takes a subtransaction, of which Postgres keeps 64 per
  -- transaction at hand. With more, every session is slower.
  if current_setting('autoembed.may_erase', true) is distinct from current_user::text then
    begin
      with dequeued as (
        delete from autoembed.embedding_queue q where q.source_id = 11 and q.key = any((select gone_keys)::text[])
      ), unrecorded as (
        delete from autoembed.embedding_ledger l where l.source_id = 11 and l.key = any((select gone_keys)::text[])
      )
      delete from autoembed.embedding_cache e
      where e.source_id = 11 and e.key = any((select gone_keys)::text[]);
      mark := set_config('autoembed.may_erase', current_user, true);
    exception when syntax_error_or_access_rule_violation or invalid_schema_name then
      null;
    end;
    return null;
  end if;
  with dequeued as (
        delete from autoembed.embedding_queue q where q.source_id = 11 and q.key = any((select gone_keys)::text[])
      ), unrecorded as (
        delete from autoembed.embedding_ledger l where l.source_id = 11 and l.key = any((select gone_keys)::text[])
      )
      delete from autoembed.embedding_cache e
      where e.source_id = 11 and e.key = any((select gone_keys)::text[]);
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION autoembed.source_11_insert()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
  if current_setting('autoembed.queue_is_writable', true) is distinct from current_user::text then
    begin
      perform autoembed.check_queue_is_writable();
    exception when others then
      if left(sqlstate, 2) in ('40', '53', '55', '57', '58', 'XX') then
      raise;
    end if;
    if current_setting('autoembed.gave_up', true) is distinct from '11' then
      perform set_config('autoembed.gave_up', '11', true);
      raise warning using message = 'a change of app.notes was not queued: its trigger functions cannot write to the tables of autoembed (SQLSTATE ' || sqlstate || ')', hint = 'The command doctor says which right or index is missing, and what to run.';
    end if;
    return null;
    end;
  end if;
  -- Attached to another table, by a role that was given the right to execute it, this would queue rows of that one.
  if tg_relid <> <oid>::oid and pg_partition_root(tg_relid) is distinct from <oid>::oid and not autoembed.is_watched(11, tg_relid) then
    return null;
  end if;
  -- The user's write must not fail: neither for a column that was renamed, nor for a text that raises for a row.
  begin
    if not true then
      raise warning using message = 'a key of app.notes is longer than 2600 bytes: the row gets no vector', hint = 'Watch the table by a shorter key.';
    end if;
    perform from new_rows n where true or (n.embedding is null) = coalesce(case
      when left(((body)::text collate "default"), 1) collate "C" between '!' and '~' then true
      when octet_length(((body)::text collate "default")) > 1000000 and left(((body)::text collate "default"), 1000) ~ '[^[:space:]]' then true
      else ((body)::text collate "default") ~ '[^[:space:]]' end, false) and (n.id::text collate "default") is null offset 63 limit 1;
  exception
    when syntax_error_or_access_rule_violation then
      -- Without a key no row has a name. The source is in trouble, and watching it again looks at every row.
      begin
        execute coalesce(
          'insert into autoembed.embedding_queue (source_id, key) select distinct 11, k.key from (select '
          || autoembed.current_key_sql('n', <oid>::oid, '{1}'::int2[], tg_relid)
          || ' as key from new_rows n) k where octet_length(k.key) <= 2600 on conflict (source_id, key) do update set ticket = excluded.ticket, first_ticket = coalesce(embedding_queue.first_ticket, embedding_queue.ticket),
        queued_at = excluded.queued_at, not_before = excluded.not_before,
        failed_at = null, owner = null, attempts = 0, last_error = null', 'select');
      exception when others then
        if left(sqlstate, 2) in ('40', '53', '55', '57', '58', 'XX') then
      raise;
    end if;
    if current_setting('autoembed.gave_up', true) is distinct from '11' then
      perform set_config('autoembed.gave_up', '11', true);
      raise warning using message = 'a change of app.notes was not queued: its trigger functions cannot write to the tables of autoembed (SQLSTATE ' || sqlstate || ')', hint = 'The command doctor says which right or index is missing, and what to run.';
    end if;
    return null;
      end;
      perform pg_notify('autoembed', '11')
        where current_setting('autoembed.notify', true) is distinct from 'off'
          and (current_setting('transaction_isolation') <> 'read committed'
            or exists (select from autoembed.embedding_listener where idle));
      return null;
    when others then
      -- The row is queued, and the claim finds out.
      insert into autoembed.embedding_queue (source_id, key)
      select distinct 11, (n.id::text collate "default") from new_rows n
      where n.embedding is null and n.id is distinct from null and true
      on conflict (source_id, key) do update set ticket = excluded.ticket, first_ticket = coalesce(embedding_queue.first_ticket, embedding_queue.ticket),
        queued_at = excluded.queued_at, not_before = excluded.not_before,
        failed_at = null, owner = null, attempts = 0, last_error = null;
      perform pg_notify('autoembed', '11')
        where current_setting('autoembed.notify', true) is distinct from 'off'
          and (current_setting('transaction_isolation') <> 'read committed'
            or exists (select from autoembed.embedding_listener where idle));
      return null;
  end;
  -- A plain insert costs a large statement a quarter less than "on conflict", and fails when a key is queued already.
  -- It takes a subtransaction, of which Postgres keeps 64 per transaction at hand: with more, every session is slower.
  -- So only the first eight such statements of a transaction have one; whatever the setting was before, it is a mark
  -- each.
  if found and length(coalesce(current_setting('autoembed.plain_inserts', true), '')) < 8 then
    perform set_config('autoembed.plain_inserts',
      coalesce(current_setting('autoembed.plain_inserts', true), '') || '+', true);
    begin
      insert into autoembed.embedding_queue (source_id, key)
      select 11, (n.id::text collate "default") from new_rows n
      where (n.embedding is null) = coalesce(case
      when left(((body)::text collate "default"), 1) collate "C" between '!' and '~' then true
      when octet_length(((body)::text collate "default")) > 1000000 and left(((body)::text collate "default"), 1000) ~ '[^[:space:]]' then true
      else ((body)::text collate "default") ~ '[^[:space:]]' end, false) and n.id is distinct from null and true;
      if found then
        perform pg_notify('autoembed', '11')
        where current_setting('autoembed.notify', true) is distinct from 'off'
          and (current_setting('transaction_isolation') <> 'read committed'
            or exists (select from autoembed.embedding_listener where idle));
      end if;
      return null;
    exception when unique_violation then
      null;  -- and inserted below
    end;
  end if;
  -- The key may have lost its unique index since.
  insert into autoembed.embedding_queue (source_id, key)
  select distinct 11, (n.id::text collate "default") from new_rows n
  where (n.embedding is null) = coalesce(case
      when left(((body)::text collate "default"), 1) collate "C" between '!' and '~' then true
      when octet_length(((body)::text collate "default")) > 1000000 and left(((body)::text collate "default"), 1000) ~ '[^[:space:]]' then true
      else ((body)::text collate "default") ~ '[^[:space:]]' end, false) and n.id is distinct from null and true
  on conflict (source_id, key) do update set ticket = excluded.ticket, first_ticket = coalesce(embedding_queue.first_ticket, embedding_queue.ticket),
        queued_at = excluded.queued_at, not_before = excluded.not_before,
        failed_at = null, owner = null, attempts = 0, last_error = null;
  if found then
    perform pg_notify('autoembed', '11')
        where current_setting('autoembed.notify', true) is distinct from 'off'
          and (current_setting('transaction_isolation') <> 'read committed'
            or exists (select from autoembed.embedding_listener where idle));
  end if;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION autoembed.source_11_row()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
  new_key text;
  old_key text;
  is_respelled boolean;
begin
  -- Each expression names the table, so that its plan is made again when the table is altered: a column that was given
  -- another type would otherwise be refused in every session that has come by here before.
  begin
    -- Attached to another table, by a role that was given the right to execute it, this would queue rows of that one.
    if tg_relid <> <oid>::oid and pg_partition_root(tg_relid) is distinct from <oid>::oid and not autoembed.is_watched(11, tg_relid) then
      return null;
    end if;
    if true and '<oid>'::regclass is not null
      and not (old.id is distinct from new.id or old.body::text collate "C" is distinct from new.body::text collate "C")
    then
      return null;
    end if;
    -- One that arrives with a vector is taken as embedded. Not one that an update has moved to another partition, which
    -- may have another text: its delete has left a mark just before. Postgres fires for row after row, so the mark is
    -- used up: rows that are deleted, and others inserted, by one function are not taken for moved ones.
    if false and tg_op = 'INSERT' then
      if not (select '<oid>'::regclass is not null and ((n.embedding is null) = coalesce(case
      when left(((body)::text collate "default"), 1) collate "C" between '!' and '~' then true
      when octet_length(((body)::text collate "default")) > 1000000 and left(((body)::text collate "default"), 1000) ~ '[^[:space:]]' then true
      else ((body)::text collate "default") ~ '[^[:space:]]' end, false)) from (select new.*) n) then
        if current_setting('autoembed.row_left_11_' || pg_trigger_depth(), true)
          is distinct from extract(epoch from statement_timestamp())::text
        then
          return null;
        end if;
        perform set_config('autoembed.row_left_11_' || pg_trigger_depth(), '', true);
      end if;
    end if;
    new_key := case when '<oid>'::regclass is not null then (new.id::text collate "default") end;
    old_key := case when '<oid>'::regclass is not null and true then (old.id::text collate "default") end;
    is_respelled := case when '<oid>'::regclass is not null and old_key <> new_key then old.id = new.id end;
  exception when others then
    -- The user's write must not fail: neither for a column that was renamed or dropped, nor for a text that raises for
    -- the row. The row is queued, and the claim finds out.
    begin
      execute autoembed.written_keys_sql(true, <oid>::oid, '{1}'::int2[], '2'::int2, tg_relid)
      into new_key, old_key using new, old;
    exception when others then
      if left(sqlstate, 2) in ('40', '53', '55', '57', '58', 'XX') then
      raise;
    end if;
    if current_setting('autoembed.gave_up', true) is distinct from '11' then
      perform set_config('autoembed.gave_up', '11', true);
      raise warning using message = 'a change of app.notes was not queued: its trigger functions cannot write to the tables of autoembed (SQLSTATE ' || sqlstate || ')', hint = 'The command doctor says which right or index is missing, and what to run.';
    end if;
    return null;
    end;
  end;
  -- A key too long for an index has no place in the queue. The one that the row had before is looked at all the same.
  if octet_length(new_key) > 2600 then
    raise warning using message = 'a key of app.notes is longer than 2600 bytes: the row gets no vector', hint = 'Watch the table by a shorter key.';
    new_key := case when octet_length(old_key) <= 2600 then old_key end;
  end if;
  old_key := case when octet_length(old_key) <= 2600 then old_key else new_key end;
  if new_key is null then
    return null;
  end if;
  if current_setting('autoembed.queue_is_writable', true) is distinct from current_user::text then
    begin
      perform autoembed.check_queue_is_writable();
    exception when others then
      if left(sqlstate, 2) in ('40', '53', '55', '57', '58', 'XX') then
      raise;
    end if;
    if current_setting('autoembed.gave_up', true) is distinct from '11' then
      perform set_config('autoembed.gave_up', '11', true);
      raise warning using message = 'a change of app.notes was not queued: its trigger functions cannot write to the tables of autoembed (SQLSTATE ' || sqlstate || ')', hint = 'The command doctor says which right or index is missing, and what to run.';
    end if;
    return null;
    end;
  end if;
  insert into autoembed.embedding_queue (source_id, key) values (11, new_key)
  on conflict (source_id, key) do update set ticket = excluded.ticket, first_ticket = coalesce(embedding_queue.first_ticket, embedding_queue.ticket),
        queued_at = excluded.queued_at, not_before = excluded.not_before,
        failed_at = null, owner = null, attempts = 0, last_error = null;
  if old_key <> new_key then
    perform autoembed.change_key(11, old_key, new_key, is_respelled);
  end if;
  perform pg_notify('autoembed', '11')
        where current_setting('autoembed.notify', true) is distinct from 'off'
          and (current_setting('transaction_isolation') <> 'read committed'
            or exists (select from autoembed.embedding_listener where idle));
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION autoembed.source_11_truncate()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  begin
    -- Attached to another table, by a role that was given the right to execute it, this would empty our queue.
    if tg_relid <> <oid>::oid and pg_partition_root(tg_relid) is distinct from <oid>::oid and not autoembed.is_watched(11, tg_relid) then
      return null;
    end if;
    delete from autoembed.embedding_queue where source_id = 11;
    delete from autoembed.embedding_ledger where source_id = 11;
    delete from autoembed.embedding_cache where source_id = 11;
  exception when syntax_error_or_access_rule_violation or invalid_schema_name then
    null;  -- a right or our schema is missing: the drain drops what has no row any more
  end;
  return null;
end
$function$;

CREATE TRIGGER autoembed_11_delete AFTER DELETE ON app.notes REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION autoembed.source_11_delete();

CREATE TRIGGER autoembed_11_insert AFTER INSERT ON app.notes REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION autoembed.source_11_insert();

CREATE TRIGGER autoembed_11_truncate AFTER TRUNCATE ON app.notes FOR EACH STATEMENT EXECUTE FUNCTION autoembed.source_11_truncate();

CREATE TRIGGER autoembed_11_update AFTER UPDATE ON app.notes FOR EACH ROW EXECUTE FUNCTION autoembed.source_11_row();
