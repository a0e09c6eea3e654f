create or replace function autoembed.changing_function(tree text) returns regprocedure
language sql stable strict
set search_path = pg_catalog, pg_temp
as $$
  select f.oid::regprocedure
  from regexp_matches(tree, ':(?:op)?funcid ([0-9]+)', 'g') m join pg_proc f on f.oid = m[1]::oid
  where f.provolatile = 'v'
    or f.pronamespace = 'pg_catalog'::regnamespace and (f.proname = 'age' and f.pronargs = 1 or f.proname in (
      'now', 'transaction_timestamp', 'statement_timestamp', 'current_setting', 'current_database', 'current_schema',
      'current_schemas', 'inet_client_addr', 'inet_client_port', 'pg_backend_pid', 'pg_current_snapshot',
      'txid_current_snapshot', 'getpgusername'))
  limit 1
$$;
comment on function autoembed.changing_function is
  'A function in a parse tree that may give something else for the same row; null where there is none.';
