-- When the functions are there: the triggers of version 0.1 give way to ours, and what is left of it goes.

do $$
declare
  source autoembed.embedding_source;
  old_trigger text;
begin
  for source in
    select s.* from autoembed.embedding_source s join pg_class c on c.oid = s.watched_table order by s.id
  loop
    for old_trigger in
      select tgname from pg_trigger
      where tgrelid = source.watched_table and tgparentid = 0 and not tgisinternal
        and tgname in (
          select format('embed_%s_%s', source.id, event)
          from unnest(array['insert', 'update', 'delete', 'truncate']) event)
    loop
      execute format('drop trigger %I on %s', old_trigger, source.watched_table);
    end loop;
    begin
      perform autoembed.install_triggers(source);
    exception when undefined_column or invalid_table_definition then
      raise exception 'the source % cannot be taken over: %', quote_literal(source.name), sqlerrm
        using hint = format('Watch it again, or: select public.embed_unwatch(%L); then migrate again.', source.name);
    end;
  end loop;
end $$;

do $$
declare
  old_function regprocedure;
begin
  for old_function in
    select p.oid from pg_proc p
    where p.pronamespace = 'public'::regnamespace
      and (p.proname ~ '^embed_source_[0-9]+_(insert|row|delete|truncate)$' or p.proname in (
        'embed_key_sql', 'embed_primary_key', 'embed_current_key_sql', 'embed_check_table', 'embed_check_key',
        'embed_key_is_immediate', 'embed_check_text', 'embed_check_vector_table', 'embed_hides_rows',
        'embed_may_alter', 'embed_install_triggers', 'embed_drop_triggers', 'embed_requeue', 'embed_watch',
        'embed_unwatch', 'embed_free_claims', 'embed_search', 'embed_reserve', 'embed_try_text'))
  loop
    execute format('drop function %s', old_function);
  end loop;
end $$;

drop table public.embedding_source, public.embedding_queue, public.embedding_reservation, public.embedding_listener,
  public.embedding_usage;
drop sequence public.embedding_ticket;

-- Version 0.1 wrote into the one history that graphile-migrate keeps per database. Its seven files are known by their
-- hashes: a number may be another application's too.
do $$ begin
  if to_regclass('graphile_migrate.migrations') is null then
    return;
  end if;
  delete from graphile_migrate.migrations where hash in (
    'sha1:b5d2c57b3e51b935b57a922a7de6e6a4233e77d7',
    'sha1:03b751d0817dd05cfb630f49124627159447d99b',
    'sha1:fc1c399488ac3a3e7c661b0002707054b04ff4ba',
    'sha1:479df5c31c290156674676f8666f94e58be1013c',
    'sha1:ea279506cb800d9feae863300019887fbc06f2c2',
    'sha1:a5025e2269586993413d50a6f8713ed25e320c75',
    'sha1:c60bfd5a9a4d64d8b40aedf13e98627428df2163');
  if not exists (select from graphile_migrate.migrations) and not exists (select from graphile_migrate.current)
    and not exists (
      select from pg_class where relnamespace = 'graphile_migrate'::regnamespace and relkind in ('r', 'v', 'm', 'p')
        and relname not in ('migrations', 'current'))
  then
    drop schema graphile_migrate cascade;
  end if;
end $$;
