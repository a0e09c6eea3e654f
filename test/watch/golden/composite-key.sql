CREATE OR REPLACE FUNCTION autoembed.source_13_delete()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
 SET "DateStyle" TO 'ISO, MDY'
 SET "TimeZone" TO 'UTC'
 SET "IntervalStyle" TO 'postgres'
 SET bytea_output TO 'hex'
 SET extra_float_digits TO '1'
AS $function$
declare
  gone_keys text[];
  mark text;
begin
  -- For the insert that follows, if an update has moved the row to another partition. By the depth of triggers: what
  -- one of the user's own writes in between has marks of its own. As a number: what a time looks like depends on
  -- settings.
  if false then
    mark := set_config('autoembed.row_left_13_' || pg_trigger_depth(),
      extract(epoch from statement_timestamp())::text, true);
  end if;
  begin
    -- Attached to another table, by a role that was given the right to execute it, this would dequeue rows of ours.
    if tg_relid <> <oid>::oid and pg_partition_root(tg_relid) is distinct from <oid>::oid and not autoembed.is_watched(13, tg_relid) then
      return null;
    end if;
    -- The name that the statement below finds it by may be another table's.
    if 'app.lines'::regclass <> tg_relid then
      if 'app.lines'::regclass not in (select pg_partition_ancestors(tg_relid)) then
        raise undefined_table;
      end if;
    end if;
    -- Where rows are hidden from this function's owner, another row may be in a deleted one's place. By the table's
    -- name: its number is another table's after a restore. Once per transaction: hides_rows() is planned at each call.
    if row_security_active('app.lines') then
      if left(current_setting('autoembed.hides_13', true), -1)
        is distinct from extract(epoch from now())::text
      then
        mark := set_config('autoembed.hides_13', extract(epoch from now())::text
          || autoembed.hides_rows('app.lines'::regclass, '{r}')::int, true);
      end if;
      if right(current_setting('autoembed.hides_13', true), 1) <> '0' then
        return null;
      end if;
    end if;
    select array_agg(g.key) into gone_keys from (
      select jsonb_build_array(o.document::text, o.day::text, o.line::text)::text as key from old_rows o
      where not exists (select from app.lines t where t.document = o.document and t.day = o.day and t.line = o.line)
    ) g;
  exception when syntax_error_or_access_rule_violation or invalid_schema_name then
    -- The table or its schema was renamed, or what is known of it; or a right is missing: then the drain drops a queue
    -- row that has no row any more.
    begin
      execute autoembed.gone_keys_sql(13, <oid>::oid, '{1,2,3}'::int2[], tg_relid, tg_level)
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
        delete from autoembed.embedding_queue q where q.source_id = 13 and q.key = any((select gone_keys)::text[])
      ), unrecorded as (
        delete from autoembed.embedding_ledger l where l.source_id = 13 and l.key = any((select gone_keys)::text[])
      )
      delete from autoembed.embedding_cache e
      where e.source_id = 13 and e.key = any((select gone_keys)::text[]);
      mark := set_config('autoembed.may_erase', current_user, true);
    exception when syntax_error_or_access_rule_violation or invalid_schema_name then
      null;
    end;
    return null;
  end if;
  with dequeued as (
        delete from autoembed.embedding_queue q where q.source_id = 13 and q.key = any((select gone_keys)::text[])
      ), unrecorded as (
        delete from autoembed.embedding_ledger l where l.source_id = 13 and l.key = any((select gone_keys)::text[])
      )
      delete from autoembed.embedding_cache e
      where e.source_id = 13 and e.key = any((select gone_keys)::text[]);
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION autoembed.source_13_insert()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
 SET "DateStyle" TO 'ISO, MDY'
 SET "TimeZone" TO 'UTC'
 SET "IntervalStyle" TO 'postgres'
 SET bytea_output TO 'hex'
 SET extra_float_digits TO '1'
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
    if current_setting('autoembed.gave_up', true) is distinct from '13' then
      perform set_config('autoembed.gave_up', '13', true);
      raise warning using message = 'a change of app.lines was not queued: its trigger functions cannot write to the tables of autoembed (SQLSTATE ' || sqlstate || ')', hint = 'The command doctor says which right or index is missing, and what to run.';
    end if;
    return null;
    end;
  end if;
  -- Attached to another table, by a role that was given the right to execute it, this would queue rows of that one.
  if tg_relid <> <oid>::oid and pg_partition_root(tg_relid) is distinct from <oid>::oid and not autoembed.is_watched(13, tg_relid) then
    return null;
  end if;
  -- The user's write must not fail: neither for a column that was renamed, nor for a text that raises for a row.
  begin
    if not (select coalesce(bool_and(octet_length(jsonb_build_array(n.document::text, n.day::text, n.line::text)::text) <= 2600), true) from new_rows n) then
      raise warning using message = 'a key of app.lines is longer than 2600 bytes: the row gets no vector', hint = 'Watch the table by a shorter key.';
    end if;
    perform from new_rows n where true or (n."The vector" is null) = coalesce(case
      when left(((content)::text collate "default"), 1) collate "C" between '!' and '~' then true
      when octet_length(((content)::text collate "default")) > 1000000 and left(((content)::text collate "default"), 1000) ~ '[^[:space:]]' then true
      else ((content)::text collate "default") ~ '[^[:space:]]' end, false) and jsonb_build_array(n.document::text, n.day::text, n.line::text)::text is null offset 63 limit 1;
  exception
    when syntax_error_or_access_rule_violation then
      -- Without a key no row has a name. The source is in trouble, and watching it again looks at every row.
      begin
        execute coalesce(
          'insert into autoembed.embedding_queue (source_id, key) select distinct 13, k.key from (select '
          || autoembed.current_key_sql('n', <oid>::oid, '{1,2,3}'::int2[], tg_relid)
          || ' as key from new_rows n) k where octet_length(k.key) <= 2600 on conflict (source_id, key) do update set ticket = excluded.ticket, first_ticket = coalesce(embedding_queue.first_ticket, embedding_queue.ticket),
        queued_at = excluded.queued_at, not_before = excluded.not_before,
        failed_at = null, owner = null, attempts = 0, last_error = null', 'select');
      exception when others then
        if left(sqlstate, 2) in ('40', '53', '55', '57', '58', 'XX') then
      raise;
    end if;
    if current_setting('autoembed.gave_up', true) is distinct from '13' then
      perform set_config('autoembed.gave_up', '13', true);
      raise warning using message = 'a change of app.lines was not queued: its trigger functions cannot write to the tables of autoembed (SQLSTATE ' || sqlstate || ')', hint = 'The command doctor says which right or index is missing, and what to run.';
    end if;
    return null;
      end;
      perform pg_notify('autoembed', '13')
        where current_setting('autoembed.notify', true) is distinct from 'off'
          and (current_setting('transaction_isolation') <> 'read committed'
            or exists (select from autoembed.embedding_listener where idle));
      return null;
    when others then
      -- The row is queued, and the claim finds out.
      insert into autoembed.embedding_queue (source_id, key)
      select distinct 13, jsonb_build_array(n.document::text, n.day::text, n.line::text)::text from new_rows n
      where n."The vector" is null and true and octet_length(jsonb_build_array(n.document::text, n.day::text, n.line::text)::text) <= 2600
      on conflict (source_id, key) do update set ticket = excluded.ticket, first_ticket = coalesce(embedding_queue.first_ticket, embedding_queue.ticket),
        queued_at = excluded.queued_at, not_before = excluded.not_before,
        failed_at = null, owner = null, attempts = 0, last_error = null;
      perform pg_notify('autoembed', '13')
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
      select 13, jsonb_build_array(n.document::text, n.day::text, n.line::text)::text from new_rows n
      where (n."The vector" is null) = coalesce(case
      when left(((content)::text collate "default"), 1) collate "C" between '!' and '~' then true
      when octet_length(((content)::text collate "default")) > 1000000 and left(((content)::text collate "default"), 1000) ~ '[^[:space:]]' then true
      else ((content)::text collate "default") ~ '[^[:space:]]' end, false) and true and octet_length(jsonb_build_array(n.document::text, n.day::text, n.line::text)::text) <= 2600;
      if found then
        perform pg_notify('autoembed', '13')
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
  select distinct 13, jsonb_build_array(n.document::text, n.day::text, n.line::text)::text from new_rows n
  where (n."The vector" is null) = coalesce(case
      when left(((content)::text collate "default"), 1) collate "C" between '!' and '~' then true
      when octet_length(((content)::text collate "default")) > 1000000 and left(((content)::text collate "default"), 1000) ~ '[^[:space:]]' then true
      else ((content)::text collate "default") ~ '[^[:space:]]' end, false) and true and octet_length(jsonb_build_array(n.document::text, n.day::text, n.line::text)::text) <= 2600
  on conflict (source_id, key) do update set ticket = excluded.ticket, first_ticket = coalesce(embedding_queue.first_ticket, embedding_queue.ticket),
        queued_at = excluded.queued_at, not_before = excluded.not_before,
        failed_at = null, owner = null, attempts = 0, last_error = null;
  if found then
    perform pg_notify('autoembed', '13')
        where current_setting('autoembed.notify', true) is distinct from 'off'
          and (current_setting('transaction_isolation') <> 'read committed'
            or exists (select from autoembed.embedding_listener where idle));
  end if;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION autoembed.source_13_row()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
 SET "DateStyle" TO 'ISO, MDY'
 SET "TimeZone" TO 'UTC'
 SET "IntervalStyle" TO 'postgres'
 SET bytea_output TO 'hex'
 SET extra_float_digits TO '1'
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
    if tg_relid <> <oid>::oid and pg_partition_root(tg_relid) is distinct from <oid>::oid and not autoembed.is_watched(13, tg_relid) then
      return null;
    end if;
    if true and '<oid>'::regclass is not null
      and not (old.document::text collate "C" is distinct from new.document::text collate "C" or old.day::text collate "C" is distinct from new.day::text collate "C" or old.line is distinct from new.line or old.content::text collate "C" is distinct from new.content::text collate "C")
    then
      return null;
    end if;
    -- One that arrives with a vector is taken as embedded. Not one that an update has moved to another partition, which
    -- may have another text: its delete has left a mark just before. Postgres fires for row after row, so the mark is
    -- used up: rows that are deleted, and others inserted, by one function are not taken for moved ones.
    if false and tg_op = 'INSERT' then
      if not (select '<oid>'::regclass is not null and ((n."The vector" is null) = coalesce(case
      when left(((content)::text collate "default"), 1) collate "C" between '!' and '~' then true
      when octet_length(((content)::text collate "default")) > 1000000 and left(((content)::text collate "default"), 1000) ~ '[^[:space:]]' then true
      else ((content)::text collate "default") ~ '[^[:space:]]' end, false)) from (select new.*) n) then
        if current_setting('autoembed.row_left_13_' || pg_trigger_depth(), true)
          is distinct from extract(epoch from statement_timestamp())::text
        then
          return null;
        end if;
        perform set_config('autoembed.row_left_13_' || pg_trigger_depth(), '', true);
      end if;
    end if;
    new_key := case when '<oid>'::regclass is not null then jsonb_build_array(new.document::text, new.day::text, new.line::text)::text end;
    old_key := case when '<oid>'::regclass is not null and true then jsonb_build_array(old.document::text, old.day::text, old.line::text)::text end;
    is_respelled := case when '<oid>'::regclass is not null and old_key <> new_key then old.document = new.document and old.day = new.day and old.line = new.line end;
  exception when others then
    -- The user's write must not fail: neither for a column that was renamed or dropped, nor for a text that raises for
    -- the row. The row is queued, and the claim finds out.
    begin
      execute autoembed.written_keys_sql(true, <oid>::oid, '{1,2,3}'::int2[], '4'::int2, tg_relid)
      into new_key, old_key using new, old;
    exception when others then
      if left(sqlstate, 2) in ('40', '53', '55', '57', '58', 'XX') then
      raise;
    end if;
    if current_setting('autoembed.gave_up', true) is distinct from '13' then
      perform set_config('autoembed.gave_up', '13', true);
      raise warning using message = 'a change of app.lines was not queued: its trigger functions cannot write to the tables of autoembed (SQLSTATE ' || sqlstate || ')', hint = 'The command doctor says which right or index is missing, and what to run.';
    end if;
    return null;
    end;
  end;
  -- A key too long for an index has no place in the queue. The one that the row had before is looked at all the same.
  if octet_length(new_key) > 2600 then
    raise warning using message = 'a key of app.lines is longer than 2600 bytes: the row gets no vector', hint = 'Watch the table by a shorter key.';
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
    if current_setting('autoembed.gave_up', true) is distinct from '13' then
      perform set_config('autoembed.gave_up', '13', true);
      raise warning using message = 'a change of app.lines was not queued: its trigger functions cannot write to the tables of autoembed (SQLSTATE ' || sqlstate || ')', hint = 'The command doctor says which right or index is missing, and what to run.';
    end if;
    return null;
    end;
  end if;
  insert into autoembed.embedding_queue (source_id, key) values (13, new_key)
  on conflict (source_id, key) do update set ticket = excluded.ticket, first_ticket = coalesce(embedding_queue.first_ticket, embedding_queue.ticket),
        queued_at = excluded.queued_at, not_before = excluded.not_before,
        failed_at = null, owner = null, attempts = 0, last_error = null;
  if old_key <> new_key then
    perform autoembed.change_key(13, old_key, new_key, is_respelled);
  end if;
  perform pg_notify('autoembed', '13')
        where current_setting('autoembed.notify', true) is distinct from 'off'
          and (current_setting('transaction_isolation') <> 'read committed'
            or exists (select from autoembed.embedding_listener where idle));
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION autoembed.source_13_truncate()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET standard_conforming_strings TO 'on'
 SET "DateStyle" TO 'ISO, MDY'
 SET "TimeZone" TO 'UTC'
 SET "IntervalStyle" TO 'postgres'
 SET bytea_output TO 'hex'
 SET extra_float_digits TO '1'
AS $function$
begin
  begin
    -- Attached to another table, by a role that was given the right to execute it, this would empty our queue.
    if tg_relid <> <oid>::oid and pg_partition_root(tg_relid) is distinct from <oid>::oid and not autoembed.is_watched(13, tg_relid) then
      return null;
    end if;
    delete from autoembed.embedding_queue where source_id = 13;
    delete from autoembed.embedding_ledger where source_id = 13;
    delete from autoembed.embedding_cache where source_id = 13;
  exception when syntax_error_or_access_rule_violation or invalid_schema_name then
    null;  -- a right or our schema is missing: the drain drops what has no row any more
  end;
  return null;
end
$function$;

CREATE TRIGGER autoembed_13_delete AFTER DELETE ON app.lines REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION autoembed.source_13_delete();

CREATE TRIGGER autoembed_13_insert AFTER INSERT ON app.lines REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION autoembed.source_13_insert();

CREATE TRIGGER autoembed_13_truncate AFTER TRUNCATE ON app.lines FOR EACH STATEMENT EXECUTE FUNCTION autoembed.source_13_truncate();

CREATE TRIGGER autoembed_13_update AFTER UPDATE ON app.lines FOR EACH ROW EXECUTE FUNCTION autoembed.source_13_row();
