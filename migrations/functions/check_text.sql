create or replace function autoembed.check_text(watched_table regclass, text_expression text) returns void
language plpgsql strict
set search_path = pg_catalog, pg_temp
as $$
declare
  tree text;
  culprit regprocedure;
  virtual_column text;
begin
  begin
    -- As triggers and all else compute it: a row, by the table's name alone.
    execute format('select (%s)::text from (select written.* from %s written) %I limit 0', text_expression,
      watched_table::text, (select relname from pg_class where oid = watched_table));
  exception when syntax_error or undefined_column or undefined_table or undefined_function or grouping_error then
    raise exception 'the text % is neither a column of % nor an expression over its columns: %',
        quote_literal(text_expression), watched_table, sqlerrm
      using hint = 'Quote it as SQL does; qualify functions that are not Postgres''s own with their schema, '
          'also within SQL functions that the text or an index of the table calls.',
        errcode = sqlstate;
  end;
  tree := autoembed.parse_tree(watched_table, text_expression);
  if tree ~ '[{](SUBLINK|AGGREF|WINDOWFUNC) ' or tree like '%:funcretset true%' then
    raise exception 'the text % is not made of one row alone', quote_literal(text_expression)
      using hint = 'A subquery, an aggregate or a set changes without the row, and no trigger notices. '
          'Keep what it gives in a column.',
        errcode = 'invalid_object_definition';
  end if;
  virtual_column := autoembed.virtual_column(watched_table, tree);
  if virtual_column is not null then
    raise exception '% is a virtual generated column, whose value triggers do not see', virtual_column
      using hint = 'Make it stored, or watch its expression in its place.', errcode = 'wrong_object_type';
  end if;
  culprit := autoembed.changing_function(tree);
  if culprit is not null or tree ~ '[{]SQLVALUEFUNCTION ' then
    raise exception 'the text % is another each time it is computed: it calls %', quote_literal(text_expression),
        coalesce(culprit::text, 'a function of the time or the session')
      using hint = 'It would be embedded, and paid for, repeatedly. Use what the row holds.' || coalesce(
          ' If the function is yours, and gives the same for the same row: alter function ' || (
            select culprit::text from pg_proc where oid = culprit and pronamespace <> 'pg_catalog'::regnamespace)
          || ' stable;', ''),
        errcode = 'invalid_object_definition';
  end if;
  if tree !~ '[{]VAR ' then
    raise exception 'the text % reads no column of %: every row would have the same vector',
        quote_literal(text_expression), watched_table
      using hint = 'Name a column, without single quotes, or an expression over columns.',
        errcode = 'invalid_object_definition';
  end if;
  if tree ~ '[{]TARGETENTRY :expr [{]COLLATEEXPR :arg [{]COERCEVIAIO :arg [{]ROWEXPR ' then
    raise exception 'the text % is a list, whose text has parentheses, commas and quotes',
        quote_literal(text_expression)
      using hint = 'Put columns together, such as concat_ws('' '', title, body).',
        errcode = 'invalid_object_definition';
  end if;
end
$$;
comment on function autoembed.check_text is
  'Raises, with what to do, unless the text is made of one row alone, as triggers see it, is the same whenever it is '
  'computed, and is neither a constant nor a list of columns.';
