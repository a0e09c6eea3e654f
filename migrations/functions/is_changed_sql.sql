create or replace function autoembed.is_changed_sql(source autoembed.embedding_source) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select format('%s or %s',
    (select string_agg(format('old.%1$I is distinct from new.%1$I', c), ' or ') from unnest(source.key_columns) c),
    case when autoembed.text_is_plain(source)
      then format('old.%1$s collate "C" is distinct from new.%1$s collate "C"', source.text_expression)
      else 'old.* *<> new.*' end)
$$;
comment on function autoembed.is_changed_sql is
  'SQL for whether an update may have changed the key or the text of a row, from old to new.';
