create or replace function autoembed.wait(source_name text, row_key text, patience interval default '30 s')
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  deadline constant timestamptz := clock_timestamp() + coalesce(patience, interval '30 s');
  pause double precision := 0.01;
begin
  if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
    raise exception 'a transaction with the isolation % never sees the vector come',
        upper(current_setting('transaction_isolation'))
      using hint = 'Wait outside of it, or in READ COMMITTED.', errcode = 'invalid_transaction_state';
  end if;
  -- Each statement of a volatile function sees what was committed before it.
  while not autoembed.is_current(source_name, row_key) loop
    if version() ~* 'emscripten' then
      raise exception 'the embedded Postgres has one session: the listener can do nothing while it waits'
        using hint = 'Ask autoembed.is_current(source, key) until it is true.', errcode = 'feature_not_supported';
    end if;
    if clock_timestamp() >= deadline then
      return false;
    end if;
    perform pg_sleep(least(pause, extract(epoch from deadline - clock_timestamp())::double precision));
    pause := least(pause * 1.5, 0.1);
  end loop;
  return true;
end
$$;
comment on function autoembed.wait is
  'Waits until a row has the vector of its text: true then, false where that takes longer than patience. Raises where '
  'the row failed.';
