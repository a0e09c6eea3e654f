create or replace function autoembed.check_text_is_kept(
  watched_table regclass, text_expression text, vector_column text
) returns void
language plpgsql strict
set search_path = pg_catalog, pg_temp
as $$
declare
  tree constant text := autoembed.parse_tree(watched_table, text_expression);
begin
  -- Column 0 is the whole row.
  if exists (
    select from regexp_matches(tree, '[{]VAR :varno [0-9]+ :varattno ([0-9]+) ', 'g') as mentioned(numbers)
    where numbers[1] = '0' or numbers[1] = (
      select attnum::text from pg_attribute where attrelid = watched_table and attname = vector_column))
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
