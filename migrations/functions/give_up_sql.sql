create or replace function autoembed.give_up_sql(source autoembed.embedding_source) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  -- What would be right when it is tried again is raised: a deadlock, a serialization failure, a lock that was not to
  -- be had, a server that is full or shutting down. For anything else there is one warning per transaction.
  select format($sql$if left(sqlstate, 2) in ('40', '53', '55', '57', '58', 'XX') then
      raise;
    end if;
    if current_setting('autoembed.gave_up', true) is distinct from '%1$s' then
      perform set_config('autoembed.gave_up', '%1$s', true);
      raise warning using message = %2$L || sqlstate || ')', hint = %3$L;
    end if;
    return null;$sql$, source.id,
    format('a change of %s was not queued: its trigger functions cannot write to the tables of autoembed (SQLSTATE ',
      autoembed.ascii_name(source.watched_table)),
    'The command doctor says which right or index is missing, and what to run.')
$$;
comment on function autoembed.give_up_sql is
  'What a trigger function does in place of failing the user''s write, where our tables take no write of its owner.';
