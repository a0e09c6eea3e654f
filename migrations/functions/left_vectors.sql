-- Where the vectors of a source go now there may be some already: left there when it began to keep them elsewhere, or
-- restored from a time when a change was pending. The ledger speaks of the vector that was written last.
create or replace function autoembed.left_vectors(
  before autoembed.embedding_source, wanted autoembed.embedding_source
) returns text[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set intervalstyle = 'postgres'
set bytea_output = 'hex'
set extra_float_digits = 1
as $$
declare
  holder constant regclass := coalesce(wanted.vector_table, wanted.watched_table);
  vector_type pg_type;
  -- As requeue_by_new_key() takes them: a key column that is gone was renamed.
  former_key constant text[] := case when exists (
    select from unnest(before.key_columns) c
    where not exists (
      select from pg_attribute a where a.attrelid = holder and a.attname = c and not a.attisdropped))
    then wanted.key_columns else before.key_columns end;
  keys text[];
begin
  if wanted.passages is not null or (before.watched_table, before.vector_table, before.vector_column)
    is not distinct from (wanted.watched_table, wanted.vector_table, wanted.vector_column)
  then
    return '{}';
  end if;
  -- A column that this transaction has added to a table that was there is empty.
  select y.* into vector_type from pg_attribute a join pg_type y on y.oid = a.atttypid
  where a.attrelid = holder and a.attname = wanted.vector_column and not a.attisdropped and (
    a.xmin is distinct from pg_current_xact_id_if_assigned()::xid
    or not exists (select from pg_attribute o where o.attrelid = holder and o.attnum > 0 and o.xmin <> a.xmin));
  if not found then
    return '{}';
  end if;
  -- Of a vector that another tool made the ledger has no model. One by a model of halfvec is outdated in a column of
  -- vector anyway; in one of halfvec a vector of full precision has another hash than it had.
  execute format($sql$
    select coalesce(array_agg(%1$s), '{}') from %2$s v
    join autoembed.embedding_ledger l on l.source_id = $1 and l.key = %3$s
    join autoembed.embedding_model m on m.id = l.model_id and (m.name not like '%% halfvec' or $2)
    where v.%4$I is not null and l.vector_hash is distinct from substr(sha256(%5$s(v.%4$I)), 1, 8)$sql$,
    autoembed.key_sql('v', wanted.key_columns), holder, autoembed.key_sql('v', former_key), wanted.vector_column,
    vector_type.typsend)
    into keys using before.id, vector_type.typname = 'halfvec';
  return keys;
end
$$;
comment on function autoembed.left_vectors is
  'Part of watch(): the keys of rows whose vector, where a source keeps its vectors now, is not the one that was '
  'written last.';
