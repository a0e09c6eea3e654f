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
  is_respelled boolean;{{declare_tenant}}
begin
  -- Each expression names the table, so that its plan is made again when the table is altered: a column that was given
  -- another type would otherwise be refused in every session that has come by here before.
  begin
    -- Attached to another table, by a role that was given the right to execute it, this would queue rows of that one.
    if {{is_foreign}} then
      return null;
    end if;
    if {{is_update}} and {{watched_regclass}} is not null
      and not ({{is_changed}})
    then
      return null;
    end if;
    -- One that arrives with a vector is taken as embedded. Not one that an update has moved to another partition, which
    -- may have another text: its delete has left a mark just before. Postgres fires for row after row, so the mark is
    -- used up: rows that are deleted, and others inserted, by one function are not taken for moved ones.
    if {{moves_rows}} and tg_op = 'INSERT' then
      if not (select {{watched_regclass}} is not null and ({{needs_vector}}) from (select new.*) n) then
        if current_setting('autoembed.row_left_{{source_id}}_' || pg_trigger_depth(), true)
          is distinct from extract(epoch from statement_timestamp())::text
        then
          return null;
        end if;
        perform set_config('autoembed.row_left_{{source_id}}_' || pg_trigger_depth(), '', true);
      end if;
    end if;
    new_key := case when {{watched_regclass}} is not null then {{key_of_new}} end;{{set_tenant}}
    old_key := case when {{watched_regclass}} is not null and {{is_update}} then {{key_of_old}} end;
    is_respelled := case when {{watched_regclass}} is not null and old_key <> new_key then {{key_is_kept}} end;
  exception when others then
    -- The user's write must not fail: neither for a column that was renamed or dropped, nor for a text that raises for
    -- the row. The row is queued, and the claim finds out.
    begin
      execute autoembed.written_keys_sql({{is_update}}, {{watched_oid}}, {{key_numbers}}, {{text_number}}, tg_relid)
      into new_key, old_key using new, old;
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
  {{check_queue}}
  insert into autoembed.embedding_queue ({{columns}}) values ({{row}})
  {{requeue}};
  if old_key <> new_key then
    perform autoembed.change_key({{source_id}}, old_key, new_key, is_respelled);
  end if;
  {{wake}}
  return null;
end
$autoembed$;
