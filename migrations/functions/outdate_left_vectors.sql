-- Where the vectors of a source go now there may be some already: left there when it began to keep them elsewhere, or
-- restored from a time when a change was pending. The ledger speaks of the vector that was written last.
create or replace function autoembed.outdate_left_vectors(
  before autoembed.embedding_source, source autoembed.embedding_source
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
  holder constant regclass := coalesce(source.vector_table, source.watched_table);
  vector_type pg_type;
begin
  if source.passages is not null or (before.watched_table, before.vector_table, before.vector_column)
    is not distinct from (source.watched_table, source.vector_table, source.vector_column)
  then
    return;
  end if;
  select y.* into vector_type from pg_attribute a join pg_type y on y.oid = a.atttypid
  where a.attrelid = holder and a.attname = source.vector_column and not a.attisdropped;
  -- Of one that another tool made the ledger has no model; one in another precision has another hash.
  execute format($sql$
    update autoembed.embedding_ledger l set text_hash = sha256(''), vector_hash = null
    from %1$s v cross join autoembed.embedding_model m
    where l.source_id = $1 and l.key = %2$s and m.id = l.model_id and (m.name like '%% halfvec') = $2
      and v.%3$I is not null and l.vector_hash is distinct from substr(sha256(%4$s(v.%3$I)), 1, 8)$sql$,
    holder, autoembed.key_sql('v', source.key_columns), source.vector_column, vector_type.typsend)
    using source.id, vector_type.typname = 'halfvec';
end
$$;
comment on function autoembed.outdate_left_vectors is
  'Part of watch(): enters in the ledger that a vector which is not the one that was written last is of no text: a '
  'backfill embeds its row.';
