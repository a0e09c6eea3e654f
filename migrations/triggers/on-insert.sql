-- Rows that came in by one statement.
create or replace function autoembed.source_{{source_id}}_insert() returns trigger
language plpgsql security definer
{{settings}}
as $autoembed$
#variable_conflict use_column
begin
  {{check_queue}}
  -- Attached to another table, by a role that was given the right to execute it, this would queue rows of that one.
  if {{is_foreign}} then
    return null;
  end if;
  -- The user's write must not fail: neither for a column that was renamed, nor for a text that raises for a row.
  begin
    if not {{all_keys_fit}} then
      {{warn}}
    end if;
    {{probe}}
  exception
    when syntax_error_or_access_rule_violation then
      -- Without a key no row has a name. The source is in trouble, and watching it again looks at every row.
      begin
        execute coalesce(
          'insert into autoembed.embedding_queue ({{columns}}) select distinct {{source_id}}, {{k_key}} from (select '
          || autoembed.current_key_sql('n', {{watched_oid}}, {{key_numbers}}, tg_relid)
          || ' as key from new_rows n) k where octet_length(k.key) <= {{longest_key}} {{requeue}}', 'select');
      exception when others then
        {{give_up}}
      end;
      {{wake}}
      return null;
    when others then
      -- The row is queued, and the claim finds out.
      insert into autoembed.embedding_queue ({{columns}})
      select distinct {{source_id}}, {{key_of_n}}{{no_tenant}} from new_rows n
      where {{has_no_vector}} and {{has_key}} and {{key_fits}}
      {{requeue}};
      {{wake}}
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
      insert into autoembed.embedding_queue ({{columns}})
      {{select_keys}} {{source_id}}, {{key_of_n}}{{tenant_of_n}} from new_rows n
      where {{needs_vector}} and {{has_key}} and {{key_fits}};
      if found then
        {{wake}}
      end if;
      return null;
    exception when unique_violation then
      null;  -- and inserted below
    end;
  end if;
  -- The key may have lost its unique index since.
  insert into autoembed.embedding_queue ({{columns}})
  select {{distinct}} {{source_id}}, {{key_of_n}}{{tenant_of_n}} from new_rows n
  where {{needs_vector}} and {{has_key}} and {{key_fits}}
  {{requeue}};
  if found then
    {{wake}}
  end if;
  return null;
end
$autoembed$;
