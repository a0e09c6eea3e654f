create or replace function autoembed.policies_hide(watched_table oid, commands "char"[], role oid) returns boolean
language sql stable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from unnest(commands) c(command) where not coalesce((
      select bool_or(p.polpermissive and p.shows_all) and bool_or(p.polpermissive and p.takes_all)
        and bool_and(p.polpermissive or (p.shows_all and p.takes_all))
      from (
        select polpermissive, command = 'a' or pg_get_expr(polqual, polrelid) = 'true' as shows_all,
          command in ('r', 'd') or pg_get_expr(coalesce(polwithcheck, polqual), polrelid) = 'true' as takes_all
        from pg_policy
        where polrelid = watched_table and polcmd in ('*', command)
          and (polroles = '{0}' or exists (select from unnest(polroles) r where pg_has_role(role, r, 'usage')))
      ) p), false))
$$;
comment on function autoembed.policies_hide is
  'Whether the policies of a table may hide rows from a role, or refuse its writes, if row-level security is active.';
