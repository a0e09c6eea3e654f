--! Previous: sha1:4c5872132e4d35e468f19ef4e21e7a76a7955058
--! Hash: sha1:e461966e3a635a5ff392026b2b92c07d0fa4be4d
--! Message: try-text

-- A text expression may raise for one row: a division by zero, a cast, a function of the user's. A statement over many
-- rows is then made again with this in its place. The database's message may hold the row's text: its code alone is told.
create function public.embed_try_text(watched_row anyelement, text_expression text, table_name text) returns text[]
language plpgsql stable as $$
declare
  content text;
begin
  execute format('select (%s)::text from (select ($1).*) %I', text_expression, table_name) into content using watched_row;
  return array[content, null];
exception when others then
  return array[null, sqlstate];
end
$$;
comment on function public.embed_try_text is 'The text of a row, or null and the SQLSTATE that its expression raises.';
