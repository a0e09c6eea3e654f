-- One row, that came in (partitioned tables have no transition tables for their partitions' own inserts) or was
-- changed. When its key changed both keys are queued: whichever row now answers to one is looked at again.
create or replace function autoembed.source_{{source_id}}_row() returns trigger
language plpgsql security definer
{{settings}}
as $autoembed$
#variable_conflict use_column
declare
  new_key text;
  old_key text;
  is_respelled boolean := false;
begin
  -- Each expression names the table, so that its plan is made again when the table is altered: a column that was given
  -- another type would otherwise be refused in every session that has come by here before.
  begin
    -- Attached to another table, by a role that was given the right to execute it, this would queue rows of that one.
    if tg_relid <> {{watched_oid}} and pg_partition_root(tg_relid) is distinct from {{watched_oid}}
      and not autoembed.is_watched({{source_id}}, tg_relid)
    then
      return null;
    end if;
    if {{is_update}} and {{watched_regclass}} is not null
      and not ({{is_changed}})
    then
      return null;
    end if;
    -- One that arrives with a vector is taken as embedded. Not one that an update has moved to another partition, which
    -- may have another text: its delete has left a mark just before.
    if {{moves_rows}} and tg_op = 'INSERT' then
      if not (select {{watched_regclass}} is not null and ({{needs_vector}}) from (select new.*) n)
        and current_setting('autoembed.row_left', true) is distinct from extract(epoch from statement_timestamp())::text
      then
        return null;
      end if;
    end if;
    new_key := case when {{watched_regclass}} is not null then {{key_of_new}} end;
    if {{is_update}} then
      old_key := case when {{watched_regclass}} is not null then {{key_of_old}} end;
      if old_key <> new_key then
        is_respelled := {{watched_regclass}} is not null and {{key_is_kept}};
      end if;
    end if;
  exception when others then
    -- The user's write must not fail: neither for a column that was renamed or dropped, nor for a text that raises for
    -- the row. The row is queued, and the claim finds out.
    begin
      if {{is_update}} then
        execute autoembed.changed_keys_sql({{watched_oid}}, {{key_numbers}}, {{text_number}}, tg_relid)
        into new_key, old_key using new, old;
      else
        execute 'select '
          || coalesce(autoembed.current_key_sql('($1)', {{watched_oid}}, {{key_numbers}}, tg_relid), 'null')
        into new_key using new;
      end if;
    exception when others then
      {{give_up}}
    end;
  end;
  -- A key too long for an index has no place in the queue. The one that the row had before is looked at all the same.
  if octet_length(new_key) > {{longest_key}} then
    {{warn}}
    new_key := case when octet_length(old_key) <= {{longest_key}} then old_key end;
  end if;
  old_key := case when octet_length(old_key) <= {{longest_key}} then old_key else new_key end;
  if new_key is null then
    return null;
  end if;
  if {{queue_is_unchecked}} then
    begin
      perform autoembed.check_queue_is_writable();
    exception when others then
      {{give_up}}
    end;
  end if;
  insert into autoembed.embedding_queue (source_id, key) values ({{source_id}}, new_key)
  {{requeue}};
  if old_key <> new_key then
    if is_respelled then
      -- One key written in two ways, as 1.0 and 1.00: the row must not be in the queue twice.
      delete from autoembed.embedding_queue q where q.source_id = {{source_id}} and q.key = old_key;
    else
      insert into autoembed.embedding_queue (source_id, key) values ({{source_id}}, old_key)
      {{requeue}};
    end if;
    perform autoembed.move_ledger({{source_id}}, old_key, new_key);
  end if;
  {{wake}}
  return null;
end
$autoembed$;
