--! Previous: sha1:9290bd7a603b8bf7090d8578ccc7be2539dfb9b3
--! Hash: sha1:79f96d7dba03bbed15ab9210c8f095ca11a77576
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
