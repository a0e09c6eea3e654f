-- Which these are left_vectors() has told, before a table was locked.
create or replace function autoembed.outdate_left_vectors(
  before autoembed.embedding_source, source autoembed.embedding_source, keys text[]
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set intervalstyle = 'postgres'
set bytea_output = 'hex'
set extra_float_digits = 1
as $$
declare
  is_another constant boolean := before.watched_table <> source.watched_table;
begin
  if source.passages is not null then
    return;
  end if;
  -- A table that is not in the place of the former may be quite another one, whose vectors are another tool's.
  if is_another and exists (select from pg_class c where c.oid = before.watched_table) then
    delete from autoembed.embedding_ledger l where l.source_id = source.id and l.key = any(keys);
  else
    update autoembed.embedding_ledger l set text_hash = sha256(''), vector_hash = null
    where l.source_id = source.id and l.key = any(keys);
  end if;
  if not is_another then
    return;
  end if;
  -- Rows of another table that brought no vector have brought nothing of what the former had.
  execute format('delete from autoembed.embedding_ledger l
    where l.source_id = $1 and not exists (select from %s v where %s = l.key and v.%I is not null)',
    coalesce(source.vector_table, source.watched_table), autoembed.key_sql('v', source.key_columns),
    source.vector_column) using source.id;
  delete from autoembed.embedding_cache e
  where e.source_id = source.id and not exists (
    select from autoembed.embedding_ledger l where l.source_id = e.source_id and l.key = e.key);
end
$$;
comment on function autoembed.outdate_left_vectors is
  'Part of watch(): enters in the ledger that these rows have a vector which is of no text, so that a backfill embeds '
  'them; where the source went to another table, takes what is kept of rows that are not the former''s.';
