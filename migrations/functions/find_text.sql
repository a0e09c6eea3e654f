create or replace function autoembed.find_text(watched_table regclass, text_expression text) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
declare
  expression text;
begin
  select quote_ident(a.attname) into expression from pg_attribute a
  where a.attrelid = watched_table and a.attname = text_expression and a.attnum > 0 and not a.attisdropped;
  expression := coalesce(expression, text_expression);
  perform autoembed.check_text(watched_table, expression);
  return expression;
end
$$;
comment on function autoembed.find_text is
  'The text of a source as SQL: a column of that spelling, quoted, or an expression. Raises, with what to do, where it '
  'is neither.';
