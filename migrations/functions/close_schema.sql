-- Default privileges may give any role rights on what is made here, and so may a dump that is restored where there are
-- such. Taken away from: PUBLIC, and the roles that default privileges of this schema or of the whole database name.
-- What was granted to any other role was granted on purpose. Even an intended role loses what it has if default
-- privileges name it: which of its rights were meant for it is not known; renew_grants() gives it those back.
create or replace function autoembed.close_schema() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  statement text;
begin
  for statement in
    select format('revoke all on %s from %s cascade', g.object,
      case g.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(g.grantee)) end)
    from autoembed.granted_rights() g
    where g.by_default and pg_has_role(g.owner, 'usage')
  loop
    execute statement;
  end loop;
end
$$;
comment on function autoembed.close_schema is
  'Takes away whatever default privileges have given other roles on the schema and all that is in it. Used by '
  'autoembed.renew_grants().';
