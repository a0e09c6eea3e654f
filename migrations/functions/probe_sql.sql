-- The probe of the insert trigger fails, before anything is written, when a column was renamed, and finds out whether
-- the rows are many (64 and more). It looks at no column of a row, unless an expression may raise for one, or tenants
-- are looked up in the table of the texts, which may be another role's, or show some rows only.
create or replace function autoembed.probe_sql(source autoembed.embedding_source) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select format(
    case when autoembed.text_is_plain(source)
        and (source.tenant_column is not null or autoembed.tenant_sql(source, 'n') is null)
      then 'perform from new_rows n where true or %1$s and %2$s is null%3$s offset 63 limit 1;'
      else 'perform bool_or(%1$s), max(%2$s)%4$s from new_rows n having count(*) > 63;' end,
    autoembed.needs_vector_sql(source), autoembed.key_sql('n', source.key_columns),
    ' and ' || autoembed.tenant_sql(source, 'n') || ' = 0', ', max(' || autoembed.tenant_sql(source, 'n') || ')')
$$;
comment on function autoembed.probe_sql is
  'What the insert trigger of a source tries first, as a statement of PL/pgSQL.';
