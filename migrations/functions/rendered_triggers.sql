create or replace function autoembed.rendered_triggers(source autoembed.embedding_source)
returns table (name text, event text, action text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select format('autoembed_%s_%s', source.id, t.event), t.event,
    format(t.action, format('execute function autoembed.source_%s_', source.id))
  from (
    select 'insert' as event, case when autoembed.fires_by_row(source)
      then 'for each row %srow()'
      else 'referencing new table as new_rows for each statement %sinsert()' end as action
    union all
    select 'delete', case when autoembed.fires_by_row(source)
      then 'for each row %sdelete()'
      else 'referencing old table as old_rows for each statement %sdelete()' end
    union all
    select 'truncate', 'for each statement %struncate()'
    union all
    -- Neither WHEN nor "update of": Postgres refuses to drop a column that a trigger names, or to change its type. And
    -- a BEFORE trigger may change the text in an update that does not name it.
    select 'update', 'for each row %srow()'
  ) t
  order by 1
$$;
comment on function autoembed.rendered_triggers is
  'The triggers that a source is to have: create trigger NAME after EVENT on TABLE ACTION.';
