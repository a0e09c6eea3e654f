-- Another tool may have put a trigger, a rule or a constraint on every table. It may keep changes from being queued, or
-- fail users' writes.
create or replace function autoembed.foreign_additions() returns table (name text, definition text)
language sql stable
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
  with ours as (
    select c.oid, c.relname from pg_class c where c.relnamespace = 'autoembed'::regnamespace and c.relkind = 'r'
  )
  select format('the trigger %I on %I', g.tgname, t.relname),
    format('drop trigger %I on autoembed.%I;', g.tgname, t.relname)
  from ours t join pg_trigger g on g.tgrelid = t.oid and not g.tgisinternal
  union all
  select format('the rule %I on %I', r.rulename, t.relname),
    format('drop rule %I on autoembed.%I;', r.rulename, t.relname)
  from ours t join pg_rewrite r on r.ev_class = t.oid
  union all
  -- One that was renamed is ours. Unique ones are indexes: see `missing_indexes`.
  select format('the constraint %I on %I', k.conname, t.relname),
    format('alter table autoembed.%I drop constraint %I;', t.relname, k.conname)
  from ours t join pg_constraint k on k.conrelid = t.oid and k.contype in ('c', 'f', 'x')
  where not exists (
    select from autoembed.own_constraints() o where o.relation = t.relname
      and o.made_as = replace(lower(pg_get_constraintdef(k.oid) collate "C"), ' not valid', ''))
$$;
comment on function autoembed.foreign_additions is
  'Triggers, rules, checks, foreign keys and exclusions on our tables that are not ours, each with what removes it.';
