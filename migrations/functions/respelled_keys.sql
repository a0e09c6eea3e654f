-- Whoever changes what is kept of a row holds the row's lock: so does this, and it waits for none.
create or replace function autoembed.respelled_keys(
  source autoembed.embedding_source, keys text[], out old_keys text[], out new_keys text[], out locked bigint
)
language plpgsql
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set intervalstyle = 'postgres'
set bytea_output = 'hex'
set extra_float_digits = 1
-- A lookup per key, whatever size Postgres assumes for the table.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  types text[];
  parts text;
  query text;
begin
  -- With the modifier: the rows were rounded by it too. As a number first: 6.00 is no integer.
  select array_agg(y.name order by k.n),
    string_agg(format('%s::%s as %I', case when cardinality(source.key_columns) = 1 then 'g.key'
      else format('(g.key::jsonb ->> %s)', k.n - 1) end, y.name, k.name), ', ' order by k.n) into types, parts
  from unnest(source.key_columns) with ordinality as k(name, n)
  join pg_attribute a on a.attrelid = source.watched_table and a.attname = k.name and not a.attisdropped
  cross join lateral (select case when a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
    then 'numeric::' else '' end || format_type(a.atttypid, a.atttypmod) as name) y;
  query := format('select array_agg(f.old_key), array_agg(f.new_key) from (
      select g.key as old_key, %1$s as new_key from (select unnest($1) as key) g
      cross join lateral (select %2$s) k join %3$s t on %4$s
      where %1$s <> g.key and octet_length(%1$s) <= 2600 ', autoembed.key_sql('t', source.key_columns), parts,
    source.watched_table::text, autoembed.same_key_sql('t', 'k', source.watched_table, source.key_columns));
  begin
    execute query || ') f' into old_keys, new_keys using keys;
  exception when data_exception or check_violation or feature_not_supported then
    keys := array(select u.key from unnest(keys) u(key) where autoembed.is_readable_key(u.key, types));
    execute query || ') f' into old_keys, new_keys using keys;
  end;
  locked := coalesce(cardinality(old_keys), 0);
  if locked > 0 then
    execute query || 'for no key update of t skip locked) f' into old_keys, new_keys using old_keys;
    locked := locked - coalesce(cardinality(old_keys), 0);
  end if;
end
$$;
comment on function autoembed.respelled_keys is
  'Of these keys those that the rows of the table have in another spelling, with that one; its rows are locked. locked '
  'says how many rows others hold. Part of respell_page().';
