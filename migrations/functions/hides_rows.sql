-- Part of each search: without "parallel safe" Postgres would compare all vectors in one process.
create or replace function autoembed.hides_rows(watched_table oid, commands "char"[] default '{r,w}') returns boolean
language sql stable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select row_security_active(watched_table)
    and autoembed.policies_hide(watched_table, commands, quote_ident(current_user)::regrole)
$$;
comment on function autoembed.hides_rows is
  'Whether row-level security may hide rows of the table from the role that asks, or keep vectors from being written, '
  'by commands as pg_policy.polcmd writes them. A hidden row must not be taken for a deleted one.';
