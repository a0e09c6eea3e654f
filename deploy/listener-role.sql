-- Makes the role that a listener runs as, or gives it another password. It has no rights: docs/grants.sql gives them.
--
--   psql "$OWNER_URL" --quiet --output=/dev/null -v listener=autoembed_listener -v password=… -f deploy/listener-role.sql
--
-- By way of two settings of this session, since psql fills in no variable within a body.

select set_config('autoembed.new_role', :'listener', false), set_config('autoembed.new_password', :'password', false);
do $$ begin
  if not exists (select from pg_roles where rolname = current_setting('autoembed.new_role')) then
    execute format('create role %I login', current_setting('autoembed.new_role'));
  end if;
  execute format('alter role %I password %L', current_setting('autoembed.new_role'),
    current_setting('autoembed.new_password'));
end $$;
reset autoembed.new_password;
