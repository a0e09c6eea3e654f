create or replace function autoembed.is_changed_sql(source autoembed.embedding_source) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select format('%s or %s',
    -- The key as text where two keys may be equal and not look the same, as 1.0 and 1.00 do, or where Postgres itself
    -- may not know how to compare them.
    (select string_agg(format(case when a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype,
          'bool'::regtype, 'uuid'::regtype)
        then 'old.%1$I is distinct from new.%1$I'
        else 'old.%1$I::text collate "C" is distinct from new.%1$I::text collate "C"' end, k.c), ' or ' order by k.n)
     from unnest(source.key_columns) with ordinality as k(c, n)
     join pg_attribute a on a.attrelid = source.watched_table and a.attname = k.c and not a.attisdropped),
    format(case when autoembed.text_is_plain(source)
      then 'old.%1$s::text collate "C" is distinct from new.%1$s::text collate "C"'
      else $sql$(select (%1$s)::text collate "C" from (select old.*) %2$I)
        is distinct from (select (%1$s)::text collate "C" from (select new.*) %2$I)$sql$ end,
      source.text_expression, coalesce(autoembed.text_alias(source), 't')))
$$;
comment on function autoembed.is_changed_sql is
  'SQL for whether an update has changed the key or the text of a row, from old to new.';
