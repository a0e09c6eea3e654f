create or replace function autoembed.fires_by_row(source autoembed.embedding_source) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  -- An insert through a table that is partitioned fires the statement triggers of that table alone, and no partition's.
  select relkind = 'p' or relispartition from pg_class where oid = source.watched_table
$$;
comment on function autoembed.fires_by_row is 'Whether inserts and deletes of a source are seen row by row.';
