--! Previous: sha1:1fac4b91ffc22a7e6a786d6b1ec67d7234c22324
--! Hash: sha1:16eed3d458228d86bc821ce2f61e8a1934ed45f7
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
