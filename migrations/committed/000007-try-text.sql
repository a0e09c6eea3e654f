--! Previous: sha1:10a3b30928ccd08e6cd008bb0e48da50d2cfd018
--! Hash: sha1:27bd5d4a0e80108df31b9e841847b62013f9f9a5
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
