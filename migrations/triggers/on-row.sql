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
begin
  -- Attached to another table, by a role that was given the right to execute it, this would queue rows of that one.
  if tg_relid <> {{watched_oid}} and pg_partition_root(tg_relid) is distinct from {{watched_oid}}
    and not autoembed.is_watched({{source_id}}, tg_relid)
  then
    return null;
  end if;
  -- The user's write must not fail: neither for a column that was renamed, nor for a text that raises for the row.
  begin
    if tg_op = 'UPDATE' and not ({{key_is_changed}})
      and {{text_is_the_same}}
    then
      return null;
    end if;
    new_key := {{key_of_new}};
    old_key := case when tg_op = 'UPDATE' then {{key_of_old}} end;
  exception
    when syntax_error_or_access_rule_violation then
      execute 'select '
        || coalesce(autoembed.current_key_sql('($1)', {{watched_oid}}, {{key_numbers}}, tg_relid), 'null')
      into new_key using new;
      if new_key is null then
        return null;
      end if;
      old_key := new_key;
    when others then
      -- The row is queued, and the claim finds out.
      new_key := {{key_of_new}};
      old_key := case when tg_op = 'UPDATE' then {{key_of_old}} end;
  end;
  insert into autoembed.embedding_queue (source_id, key) values ({{source_id}}, new_key)
  {{requeue}};
  if old_key <> new_key then
    insert into autoembed.embedding_queue (source_id, key) values ({{source_id}}, old_key)
    {{requeue}};
    perform autoembed.move_ledger({{source_id}}, old_key, new_key);
  end if;
  {{wake}}
  return null;
end
$autoembed$;
