-- With its owner's rights, so that a listener's role can find out: it runs nothing of what it is given.
create or replace function autoembed.outdated_triggers(source autoembed.embedding_source) returns text[]
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  with wanted as (
    select h.key as name, h.value as hash from jsonb_each_text(autoembed.trigger_hashes(source)) h
  ), installed as (
    -- A function is compared by its text as well, whatever was recorded; of a trigger Postgres keeps no text.
    select f.name from autoembed.rendered_functions(source) f
    join pg_proc p on p.pronamespace = 'autoembed'::regnamespace and p.proname = f.name and p.pronargs = 0
    where p.prosecdef and p.prosrc = split_part(f.definition, '$autoembed$', 2)
    union all
    select t.name from autoembed.rendered_triggers(source) t
    join pg_trigger g on g.tgrelid = source.watched_table and g.tgname = t.name and not g.tgisinternal
    join pg_proc p on p.oid = g.tgfoid and p.pronamespace = 'autoembed'::regnamespace
    where strpos(t.action, format('autoembed.%s()', p.proname)) > 0
  )
  select coalesce(array_agg(w.name order by w.name), '{}')
  from wanted w
  where w.hash is distinct from source.triggers ->> w.name or w.name not in (select i.name from installed i)
$$;
comment on function autoembed.outdated_triggers is
  'Which trigger functions and triggers of a source are missing, or are not what install_triggers() would make now.';
