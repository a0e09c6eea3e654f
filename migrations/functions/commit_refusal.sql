-- The SQLSTATE does not tell why, and the message is in the language of the server.
create or replace function autoembed.commit_refusal() returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  commit;
  return null;
exception when invalid_transaction_termination then
  return sqlerrm;
end
$$;
comment on function autoembed.commit_refusal is
  'What Postgres says of a commit inside of a transaction that is not the procedure''s own.';
