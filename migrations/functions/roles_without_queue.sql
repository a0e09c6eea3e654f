create or replace function autoembed.roles_without_queue() returns oid[]
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select array(
    select o.role from (
      select distinct p.proowner as role from pg_proc p
      where p.pronamespace = 'autoembed'::regnamespace and p.proname ~ '^source_[0-9]+_[a-z]+$' offset 0
    ) o
    where autoembed.missing_trigger_rights(o.role) <> '{}')
$$;
comment on function autoembed.roles_without_queue is
  'The roles that trigger functions run as and that may not write to the queue: what these see is not queued.';
