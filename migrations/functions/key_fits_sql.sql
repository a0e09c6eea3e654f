-- Asked only where the answer may be no.
create or replace function autoembed.key_fits_sql(source autoembed.embedding_source) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select case when exists (
      select from pg_attribute a
      where a.attrelid = source.watched_table and a.attname = any(source.key_columns) and not a.attisdropped
        and a.atttypid not in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'bool'::regtype, 'uuid'::regtype,
          'float4'::regtype, 'float8'::regtype, 'date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype))
    then format('octet_length(%s) <= 2600', autoembed.key_sql('n', source.key_columns))
    else 'true' end
$$;
comment on function autoembed.key_fits_sql is
  'SQL for whether the key of a row n that came in fits into the indexes of queue and ledger.';
