-- A dump that was changed before its restore, or rows that were in its way, may cost a check or a foreign key. Then
-- what belongs to a source stays when the source goes. One that is not valid leaves such rows there.
create or replace function autoembed.missing_constraints() returns table (name text, definition text)
language sql stable
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
  with made as (
    select k.conrelid, k.conname, k.convalidated, replace(d.made_as, ' not valid', '') as made_as,
      -- As `alter table ... disable trigger all` leaves it, and a restore with --disable-triggers that was cut off.
      exists (select from pg_trigger t where t.tgconstraint = k.oid and t.tgenabled in ('D', 'R')) as is_off
    from pg_constraint k cross join lower(pg_get_constraintdef(k.oid) collate "C") d(made_as)
    where k.connamespace = 'autoembed'::regnamespace and k.contype in ('c', 'f')
  )
  select w.name, case
      -- Only a superuser may switch on what Postgres itself has made.
      when m.is_off then format('alter table autoembed.%I drop constraint %I, add constraint %2$I %s;',
        w.relation, m.conname, w.made_as)
      when m.conname is not null then format('alter table autoembed.%I validate constraint %I;', w.relation, m.conname)
      else format('alter table autoembed.%I drop constraint if exists %I, add constraint %2$I %s;',
        w.relation, w.name, w.made_as) end
  from autoembed.own_constraints() w
  join pg_class t on t.relnamespace = 'autoembed'::regnamespace and t.relname = w.relation
  left join lateral (
    select * from made m where m.conrelid = t.oid and m.made_as = w.made_as
    order by m.convalidated and not m.is_off desc limit 1
  ) m on true
  where m.conname is null or m.is_off or not m.convalidated
  order by w.name
$$;
comment on function autoembed.missing_constraints is
  'Checks and foreign keys of our tables that are missing, changed, not valid or off, each with what restores it.';
