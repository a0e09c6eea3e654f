create or replace function autoembed.key_is_immediate(watched_table regclass, key_columns text[]) returns boolean
language sql stable strict
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from pg_index i
    where i.indrelid = watched_table and i.indisunique and i.indisvalid and i.indimmediate
      and i.indpred is null and i.indexprs is null
      and (i.indkey::int2[])[0:i.indnkeyatts - 1] <@ (
        select array_agg(a.attnum) from pg_attribute a
        where a.attrelid = watched_table and a.attname = any(key_columns) and not a.attisdropped))
$$;
comment on function autoembed.key_is_immediate is
  'Whether no two rows can have one key even within a transaction: false where its constraint is deferrable.';
