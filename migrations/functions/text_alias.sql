-- A text may name its table, as in documents.title or to_jsonb(documents). A subquery by that name costs 0.7 us each
-- time that the text is computed, and so there is one only where the text looks as if it did.
create or replace function autoembed.text_alias(source autoembed.embedding_source) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select case when case
      -- Alone, the name of a column is that column.
      when exists (
        select from pg_attribute a where a.attrelid = t.oid and a.attname = t.relname and not a.attisdropped)
      then e.expression ~ (n.name || n.dot)
      -- The row of a partition may have its columns in another order than a function of its table's row takes them.
      when t.relkind = 'p' then e.expression ~ n.name and e.expression !~ (n.name || '(?!' || n.dot || ')')
      else e.expression ~ n.name end
    then t.relname::text end
  from pg_class t
  cross join lateral (select lower(source.text_expression) as expression) e
  cross join lateral (
    select '"?[[:space:]]*[.]' as dot,
      case when t.relname ~ '^[a-z_][a-z0-9_]*$' then '(?<![a-z0-9_$])' || t.relname || '(?![a-z0-9_$])'
        else regexp_replace(lower(replace(t.relname, '"', '""')), '[^[:alnum:]_ ]', '.', 'g') end as name) n
  where t.oid = source.watched_table
$$;
comment on function autoembed.text_alias is
  'The name of its table where the text of a source may have it; null where it does not.';
