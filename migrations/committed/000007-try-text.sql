--! Previous: sha1:a76e3d5c0033b7ddd0fa9957acc3657d4f4f42a2
--! Hash: sha1:04d1c26b28b3b6ba67c705cfd1810fe24a0a219b
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
