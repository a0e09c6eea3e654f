-- With its owner's rights, so that a listener's role can find out: it runs nothing of what it is given.
create or replace function autoembed.outdated_triggers(source autoembed.embedding_source) returns text[]
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select autoembed.check_key(source.watched_table, source.key_columns);
  with functions as materialized (
    select f.name, f.definition from autoembed.rendered_functions(source) f
  ), triggers as materialized (
    select t.name, t.event, t.action from autoembed.rendered_triggers(source) t
  ), installed as (
    -- A function is compared by its text as well, whatever was recorded; of a trigger Postgres keeps no text.
    select f.name, md5(f.definition) as hash from functions f
    join pg_proc p on p.pronamespace = 'autoembed'::regnamespace and p.proname = f.name and p.pronargs = 0
    where p.prosecdef and p.prosrc = split_part(f.definition, '$autoembed$', 2)
    union all
    select t.name, md5(t.event || ' ' || t.action) from triggers t
    join pg_trigger g on g.tgrelid = source.watched_table and g.tgname = t.name and not g.tgisinternal
    join pg_proc p on p.oid = g.tgfoid and p.pronamespace = 'autoembed'::regnamespace
    where strpos(t.action, format('autoembed.%s()', p.proname)) > 0
  )
  select coalesce(array_agg(w.name order by w.name), '{}')
  from (select name from functions union all select name from triggers) w
  where not exists (select from installed i where i.name = w.name and i.hash = source.triggers ->> w.name)
$$;
comment on function autoembed.outdated_triggers is
  'Which trigger functions and triggers of a source are missing, or are not what install_triggers() would make now. '
  'Raises where the table has lost a column of the key.';
