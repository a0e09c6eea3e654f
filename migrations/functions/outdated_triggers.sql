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
    -- A function is compared by its text and its settings as well, whatever was recorded.
    select f.name, md5(f.definition) as hash from functions f
    join pg_proc p on p.pronamespace = 'autoembed'::regnamespace and p.proname = f.name and p.pronargs = 0
    where p.prosecdef and p.prosrc = split_part(f.definition, '$autoembed$', 2)
      -- Postgres spells the names of settings in its own way.
      and autoembed.function_settings(f.definition) = array(
        select lower(split_part(c, '=', 1) collate "C") || substr(c, strpos(c, '='))
        from unnest(p.proconfig) c order by 1)
    union all
    -- Of a trigger Postgres keeps no text. One that fires for less than it should looks like one that works.
    select t.name, md5(t.event || ' ' || t.action) from triggers t
    join pg_trigger g on g.tgrelid = source.watched_table and g.tgname = t.name and not g.tgisinternal
    join pg_proc p on p.oid = g.tgfoid and p.pronamespace = 'autoembed'::regnamespace
    where strpos(t.action, format('autoembed.%s()', p.proname)) > 0
      and g.tgqual is null and g.tgattr = ''::int2vector and g.tgconstraint = 0
      and g.tgtype = case t.event when 'insert' then 4 when 'delete' then 8 when 'update' then 16 else 32 end
        + case when strpos(t.action, 'for each row') > 0 then 1 else 0 end
  )
  select coalesce(array_agg(w.name order by w.name), '{}')
  from (select name from functions union all select name from triggers) w
  where not exists (select from installed i where i.name = w.name and i.hash = source.triggers ->> w.name)
$$;
comment on function autoembed.outdated_triggers is
  'Which trigger functions and triggers of a source are missing, or are not what install_triggers() would make now. '
  'Raises where the table has lost a column of the key.';
