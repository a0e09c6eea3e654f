-- A deleted row leaves the queue at once, and what was made from its text is erased, unless the same statement put
-- another row in its place.
create or replace function autoembed.source_{{source_id}}_delete() returns trigger
language plpgsql security definer
{{settings}}
as $autoembed$
declare
  gone_keys text[];
  mark text;
begin
  -- For the insert that follows, if an update has moved the row to another partition. By the depth of triggers: what
  -- one of the user's own writes in between has marks of its own. As a number: what a time looks like depends on
  -- settings.
  if {{moves_rows}} then
    mark := set_config('autoembed.row_left_{{source_id}}_' || pg_trigger_depth(),
      extract(epoch from statement_timestamp())::text, true);
  end if;
  begin
    -- Attached to another table, by a role that was given the right to execute it, this would dequeue rows of ours.
    if {{is_foreign}} then
      return null;
    end if;
    -- The name that the statement below finds it by may be another table's.
    if {{watched_name}}::regclass <> tg_relid then
      if {{watched_name}}::regclass not in (select pg_partition_ancestors(tg_relid)) then
        raise undefined_table;
      end if;
    end if;
    -- Where rows are hidden from this function's owner, another row may be in a deleted one's place. By the table's
    -- name: its number is another table's after a restore. Once per transaction: hides_rows() is planned at each call.
    if row_security_active({{watched_name}}) then
      if left(current_setting('autoembed.hides_{{source_id}}', true), -1)
        is distinct from extract(epoch from now())::text
      then
        mark := set_config('autoembed.hides_{{source_id}}', extract(epoch from now())::text
          || autoembed.hides_rows({{watched_name}}::regclass, '{r}')::int, true);
      end if;
      if right(current_setting('autoembed.hides_{{source_id}}', true), 1) <> '0' then
        return null;
      end if;
    end if;
    select array_agg(g.key) into gone_keys from (
      select {{key_of_o}} as key from {{deleted_rows}} o
      where not exists (select from {{watched_table}} t where {{key_is_the_same}})
    ) g;
  exception when syntax_error_or_access_rule_violation or invalid_schema_name then
    -- The table or its schema was renamed, or what is known of it; or a right is missing: then the drain drops a queue
    -- row that has no row any more.
    begin
      execute autoembed.gone_keys_sql({{source_id}}, {{watched_oid}}, {{key_numbers}}, tg_relid, tg_level)
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
      {{erase}}
      mark := set_config('autoembed.may_erase', current_user, true);
    exception when syntax_error_or_access_rule_violation or invalid_schema_name then
      null;
    end;
    return null;
  end if;
  {{erase}}
  return null;
end
$autoembed$;
