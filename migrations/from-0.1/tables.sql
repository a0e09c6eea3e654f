-- Takes over what version 0.1 kept in public: right after the tables of 0.2.0 are made, as they were in that version.

do $$ begin
  if exists (
    select from public.embedding_listener
    where seen_at between now() - interval '10 seconds' and now() + interval '10 seconds')
  then
    raise exception 'a listener of version 0.1 is running'
      using hint = 'Stop it (npm start, npm run backfill) wherever it runs, then migrate again.';
  end if;
end $$;

-- No change of a row may go between the old triggers and the new. In one order for all: by number.
do $$
declare
  watched regclass;
begin
  for watched in
    select distinct s.watched_table from public.embedding_source s join pg_class c on c.oid = s.watched_table order by 1
  loop
    execute format('lock table %s in access exclusive mode', watched);
  end loop;
end $$;
lock table public.embedding_source, public.embedding_queue, public.embedding_cache in access exclusive mode;

insert into autoembed.embedding_source (
  id, name, watched_table, key_columns, text_expression, vector_column, vector_table, passages, backend, model,
  dimensions, settings, paused, trouble, created_at)
overriding system value
select id, name, watched_table, key_columns, text_expression, vector_column, vector_table, passages, backend, model,
  dimensions, settings, paused, trouble, created_at
from public.embedding_source;

do $$ begin
  perform setval(pg_get_serial_sequence('autoembed.embedding_source', 'id'), max(id))
  from autoembed.embedding_source having max(id) > 0;
end $$;

insert into autoembed.embedding_queue (source_id, key, queued_at, not_before, failed_at, attempts, last_error)
select source_id, key, queued_at, not_before, failed_at, attempts, last_error
from public.embedding_queue order by ticket;

insert into autoembed.embedding_usage
select source_id, day, embedded, cached, failed, truncated, requests, tokens from public.embedding_usage;

-- Version 0.1 called vectors by backend, model and length, whatever server made them: what a source with a server of its
-- own may have made must not stand in for another server's. The names are looked up by the index, and all that is there
-- is removed at once: the watched tables are locked.
do $$
declare
  names text[];
  doubtful text[];
begin
  with recursive n(name) as (
    (select model from public.embedding_cache order by model limit 1)
    union all
    select (select c.model from public.embedding_cache c where c.model > n.name order by c.model limit 1)
    from n where n.name is not null)
  select array_agg(n.name), array_agg(n.name) filter (where exists (
    select from public.embedding_source s
    where s.settings ? 'base_url' and (s.backend is null or s.backend = split_part(n.name, '/', 1))
      and (s.model is null
        or s.model = regexp_replace(substr(n.name, strpos(n.name, '/') + 1), '@[^@]*$', ''))))
  into names, doubtful from n where n.name is not null;
  if doubtful = names then
    truncate public.embedding_cache;
  elsif doubtful is not null then
    delete from public.embedding_cache where model = any(doubtful);
  end if;
end $$;

-- Moved, not copied: it may be many gigabytes, and the watched tables are locked.
drop table autoembed.embedding_cache;
alter table public.embedding_cache set schema autoembed;
