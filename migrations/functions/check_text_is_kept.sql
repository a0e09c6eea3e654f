create or replace function autoembed.check_text_is_kept(
  watched_table regclass, text_expression text, vector_column text
) returns void
language plpgsql strict
set search_path = pg_catalog, pg_temp
as $$
declare
  tree constant text := autoembed.parse_tree(watched_table, text_expression);
  vector constant smallint := attnum from pg_attribute where attrelid = watched_table and attname = vector_column;
begin
  -- Column 0 is the whole row.
  if exists (
    select from regexp_matches(tree, '[{]VAR :varno [0-9]+ :varattno (-?[0-9]+) ', 'g') as mentioned(numbers)
    where numbers[1]::int in (0, vector)
      -- Postgres notes what a generated column is made of with the column, or with its expression.
      or exists (
        select from pg_depend d left join pg_attrdef e on d.classid = 'pg_attrdef'::regclass and e.oid = d.objid
        where d.refclassid = 'pg_class'::regclass and d.refobjid = watched_table and d.refobjsubid = vector
          and (d.classid = 'pg_class'::regclass and d.objid = watched_table and d.objsubid = numbers[1]::int
            or e.adrelid = watched_table and e.adnum = numbers[1]::int)))
  then
    raise exception 'the text % contains the vector, or the whole row with it: each vector would change it again',
        quote_literal(text_expression)
      using hint = 'Name the columns that the text is made of, or keep the vectors in a table of their own (--into).',
        errcode = 'invalid_object_definition';
  end if;
end
$$;
comment on function autoembed.check_text_is_kept is
  'Raises, with what to do, if writing a vector into the watched table would change the text.';
