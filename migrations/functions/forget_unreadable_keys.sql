-- What has such a key is of no row any more: a statement that joins it with the table by the key would raise, and so
-- fail for all other rows. Called only when one did.
create or replace function autoembed.forget_unreadable_keys(
  source_id integer, after text, out last_read text, out removed bigint
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  of_source constant integer := source_id;
  page_rows constant integer := 10000;
  source autoembed.embedding_source;
  types text[];
  has_such_rows boolean;
  columns text[];
begin
  -- It keeps its key meanwhile, and two listeners remove nothing at the same time.
  select * into source from autoembed.embedding_source s where s.id = of_source for no key update;
  select array_agg(format_type(a.atttypid, -1) order by k.n),
    array_agg(k.name || ' ' || format_type(a.atttypid, -1) order by k.n) into types, columns
  from unnest(source.key_columns) with ordinality as k(name, n)
  join pg_attribute a on a.attrelid = source.watched_table and a.attname = k.name and not a.attisdropped;
  removed := 0;
  if source.id is null or cardinality(types) is distinct from cardinality(source.key_columns) then
    return;
  end if;
  -- A domain may refuse what rows have: by a constraint that was added "not valid", or whose function is another.
  if after is null and exists (
    select from unnest(source.key_columns) k(name)
    join pg_attribute a on a.attrelid = source.watched_table and a.attname = k.name
    join pg_type t on t.oid = a.atttypid and t.typtype = 'd')
  then
    execute format('select exists (select from %s n where not autoembed.is_readable_key(%s, $1))',
      source.watched_table::text, autoembed.key_sql('n', source.key_columns)) into has_such_rows using types;
    if has_such_rows then
      return;
    end if;
  end if;
  with page as materialized (
    select l.key from autoembed.embedding_ledger l where l.source_id = of_source and (after is null or l.key > after)
    order by l.key limit page_rows
  ), forgotten as (
    delete from autoembed.embedding_ledger l
    where l.source_id = of_source
      and l.key = any(array(select p.key from page p where not autoembed.is_readable_key(p.key, types)))
    returning l.key
  )
  select (select p.key from page p order by p.key desc limit 1), (select count(*) from forgotten)
  into last_read, removed;
  if last_read is null then
    removed := autoembed.requeue_unreadable_keys(source, types, columns);
  end if;
end
$$;
comment on function autoembed.forget_unreadable_keys is
  'Removes what is stored of a source under keys that its key''s types do not accept, since they were altered: first '
  'from the ledger, a page at a time, from the key that was last read; at its end from cache, queue and backfill. '
  'Nothing where rows have such keys.';
