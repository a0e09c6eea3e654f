-- Part of a trigger function, which runs with its owner's rights: attached to any other table, it must do nothing.
create or replace function autoembed.is_watched(source integer, relation oid) returns boolean
language sql stable strict
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from autoembed.embedding_source s
    where s.id = source
      and (s.watched_table = relation or s.watched_table in (select pg_partition_ancestors(relation))))
$$;
comment on function autoembed.is_watched is
  'Whether the table is the one that a source watches, or a partition of it.';
