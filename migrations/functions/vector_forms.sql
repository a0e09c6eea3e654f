-- As src/search/comparable.ts and index-kind.ts have them.
create or replace function autoembed.vector_forms(source autoembed.embedding_source)
returns table (ordering text, expression text, operator_class text, per_row integer)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  extension_schema constant text := autoembed.vector_schema();
  column_type text;
  length integer;
  is_open boolean;  -- the column takes vectors of any length
  own_cast text;
  full_type text;
begin
  select y.typname, coalesce(nullif(a.atttypmod, -1), source.dimensions), a.atttypmod = -1
  into column_type, length, is_open
  from pg_attribute a join pg_type y on y.oid = a.atttypid
  where a.attrelid = coalesce(source.vector_table, source.watched_table)
    and a.attname = source.vector_column and not a.attisdropped;
  -- Vectors of more than 2,000 dimensions are compared as halfvec, which an index takes up to 4,000.
  full_type := case when length between 2001 and 4000 then 'halfvec' else column_type end;
  own_cast := case when is_open and length is not null
    then format('::%s.%I(%s)', extension_schema, column_type, length) else '' end;
  return query
  with form as (
    -- The operand is written between the first two.
    select case when full_type = column_type and own_cast = '' then '' else '(' end as before,
      case when full_type <> column_type then format('::%s.%I(%s))', extension_schema, full_type, length)
        when own_cast <> '' then own_cast || ')' else '' end as after,
      '<=>' as operator, full_type as operand_type, full_type || '_cosine_ops' as class, 1 as per_row, 0 as prefix
    union all
    select '(', format('::%s.halfvec(%s))', extension_schema, length), '<=>', column_type, 'halfvec_cosine_ops', 2, 0
    where full_type = 'vector' and length is not null
    union all
    select distinct format('(%s.subvector(', extension_schema),
      format('%s, 1, %s)::%s.%I(%2$s))', own_cast, p.prefix, extension_schema, column_type),
      '<=>', column_type, column_type || '_cosine_ops', 10, p.prefix
    from (
      select substring(pg_get_indexdef(indexrelid, 1, false) from 'subvector[(].*, 1, ([0-9]+)[)]')::int as prefix
      from pg_index where indrelid = coalesce(source.vector_table, source.watched_table)) p
    where p.prefix is not null
    union all
    select format('(%s.binary_quantize(', extension_schema), format('%s)::bit(%s))', own_cast, length),
      '<~>', column_type, 'bit_hamming_ops', 20, 0
    where length is not null
  )
  select format('(%1$sv.%2$I%3$s operator(%4$s.%5$s) %1$s$1::%4$s.%6$I%3$s)', f.before, source.vector_column,
      f.after, extension_schema, f.operator, f.operand_type),
    f.before || quote_ident(source.vector_column) || f.after, f.class, f.per_row
  from form f order by f.per_row, f.prefix desc;
end
$$;
comment on function autoembed.vector_forms is
  'The forms in which an index can have the vectors of a source, the nearest to the exact order first, each with the '
  'order by its distances from $1 and the candidates per wanted row. The first is that of every exact comparison.';
