-- What the trigger function of deletes does where its table, or a column of the key, was renamed: the names are looked
-- up. After a restore the table has another number, and the source has it. In PL/pgSQL as current_key_sql() is.
create or replace function autoembed.gone_keys_sql(
  source integer, watched_table oid, key_numbers int2[], relation oid, level text
) returns text
language plpgsql stable strict
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  family constant oid[] := relation || array(select pg_partition_ancestors(relation)::oid);
  names text[];
begin
  if watched_table = any(family) then
    names := autoembed.column_names(watched_table, key_numbers);
  else
    select s.watched_table, s.key_columns into watched_table, names from autoembed.embedding_source s
    where s.id = source;
  end if;
  -- A key that has lost a column names no row.
  if cardinality(names) is distinct from cardinality(key_numbers) then
    return 'select null::text[]';
  end if;
  return format('select array_agg(%s) from %s o where not exists (select from %s t where %s) '
    'and not autoembed.hides_rows(%L::oid, ''{r}'')', autoembed.key_sql('o', names),
    case level when 'ROW' then '(select ($1).*)' else 'old_rows' end, watched_table::regclass,
    autoembed.same_key_sql('t', 'o', watched_table, names), watched_table);
end
$$;
comment on function autoembed.gone_keys_sql is
  'A query that gives the keys of deleted rows whose place no other row has taken, as the key is called now: of the '
  'row $1, or of all rows of a statement.';
