create or replace function autoembed.may_alter(written oid) returns boolean
language plpgsql stable strict
set search_path = pg_catalog, pg_temp
as $$
begin
  -- tgtype: 1 each row, 2 before, 4 insert, 16 update.
  return exists (
    with recursive tables(oid) as (
      select written union all select i.inhrelid from pg_inherits i join tables t on i.inhparent = t.oid)
    select from pg_trigger g join tables t on g.tgrelid = t.oid
    where g.tgtype & 3 = 3 and g.tgtype & 20 <> 0 and g.tgenabled <> 'D' and not g.tgisinternal);
end
$$;
comment on function autoembed.may_alter is
  'Whether a trigger may change, or refuse in silence, what is written to the table or a partition of it.';
