create or replace function autoembed.is_changed_sql(source autoembed.embedding_source) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select format('%s or %s',
    -- As text where Postgres itself may not know how to compare them.
    (select string_agg(format(case when autoembed.key_is_plain(source)
        then 'old.%1$I is distinct from new.%1$I'
        else 'old.%1$I::text is distinct from new.%1$I::text' end, c), ' or ')
     from unnest(source.key_columns) c),
    format(case when autoembed.text_is_plain(source)
      then 'old.%1$s::text collate "C" is distinct from new.%1$s::text collate "C"'
      else $sql$(select (%1$s)::text collate "C" from (select old.*) t)
        is distinct from (select (%1$s)::text collate "C" from (select new.*) t)$sql$ end, source.text_expression))
$$;
comment on function autoembed.is_changed_sql is
  'SQL for whether an update has changed the key or the text of a row, from old to new.';
