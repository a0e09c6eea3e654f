-- By name: a dump and its restore change the oids of types. Between types that write the same value in the same way a
-- column may be altered, and no key is looked at.
create or replace function autoembed.key_types(source autoembed.embedding_source) returns text[]
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select array_agg(case when a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) then 'integer'
    when a.atttypid in ('text'::regtype, 'varchar'::regtype) then 'text'
    else format_type(a.atttypid, a.atttypmod) end order by k.n)
  from unnest(source.key_columns) with ordinality as k(name, n)
  join pg_attribute a on a.attrelid = source.watched_table and a.attname = k.name and not a.attisdropped
$$;
comment on function autoembed.key_types is
  'Of each column of the key what decides how a value is written: its type with the modifier, or integer, or text.';
