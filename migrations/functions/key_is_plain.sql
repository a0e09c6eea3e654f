create or replace function autoembed.key_is_plain(source autoembed.embedding_source) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select not exists (
    select from pg_attribute a
    where a.attrelid = source.watched_table and a.attname = any(source.key_columns) and not a.attisdropped
      and a.atttypid not in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype, 'bool'::regtype,
        'uuid'::regtype, 'text'::regtype, 'varchar'::regtype, 'bpchar'::regtype))
$$;
comment on function autoembed.key_is_plain is 'Whether the key looks the same as text under any settings.';
