-- No row is left, so nothing is pending, and nothing is kept of what was made from them.
create or replace function autoembed.source_{{source_id}}_truncate() returns trigger
language plpgsql security definer
{{settings}}
as $autoembed$
begin
  begin
    -- Attached to another table, by a role that was given the right to execute it, this would empty our queue.
    if {{is_foreign}} then
      return null;
    end if;
    delete from autoembed.embedding_queue where source_id = {{source_id}};
    delete from autoembed.embedding_ledger where source_id = {{source_id}};
    delete from autoembed.embedding_cache where source_id = {{source_id}};
  exception when syntax_error_or_access_rule_violation or invalid_schema_name then
    null;  -- a right or our schema is missing: the drain drops what has no row any more
  end;
  return null;
end
$autoembed$;
