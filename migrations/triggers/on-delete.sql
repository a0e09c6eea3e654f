-- A deleted row leaves the queue at once, and what was made from its text is erased, unless the same statement put
-- another row in its place.
create or replace function autoembed.source_{{source_id}}_delete() returns trigger
language plpgsql security definer
{{settings}}
as $autoembed$
begin
  -- For the insert that follows, if an update has moved the row to another partition. As a number: what a time looks
  -- like depends on settings.
  if {{moves_rows}} then
    perform set_config('autoembed.row_left', extract(epoch from statement_timestamp())::text, true);
  end if;
  begin
    -- Attached to another table, by a role that was given the right to execute it, this would dequeue rows of ours.
    if {{is_foreign}} then
      return null;
    end if;
    -- By lists of keys: a plan that is kept must not read the whole ledger for one row.
    with gone as materialized (
      select {{key_of_o}} as key from {{deleted_rows}} o
      where not exists (select from {{watched_table}} t where {{key_is_the_same}})
        -- Where rows are hidden from this function's owner, another row may be in its place. By the table's name: its
        -- number is another table's after a restore.
        and not row_security_active({{watched_name}})
    ), dequeued as (
      delete from autoembed.embedding_queue q
      where q.source_id = {{source_id}} and q.key = any(array(select g.key from gone g))
    ), unrecorded as (
      delete from autoembed.embedding_ledger l
      where l.source_id = {{source_id}} and l.key = any(array(select g.key from gone g))
    )
    delete from autoembed.embedding_cache e
    where e.source_id = {{source_id}} and e.key = any(array(select g.key from gone g));
  exception when syntax_error_or_access_rule_violation then
    -- The table was renamed, or what is known of it, or a right is missing: the drain drops a queue row that has no row
    -- any more.
    null;
  end;
  return null;
end
$autoembed$;
