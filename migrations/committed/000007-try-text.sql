--! Previous: sha1:ad974277a05ca811e41950960eebb141dc283bd2
--! Hash: sha1:ec5e92022d220c6146aa953debad92f1d21f10d2
--! Message: try-text

-- A text expression may raise for one row: a division by zero, a cast, a function of the user's. A statement over many
-- rows is then made again with this in its place. The database's message may hold the row's text: its code alone is told.
create function autoembed.evaluate_text(watched_row anyelement, text_expression text, table_name text) returns text[]
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
comment on function autoembed.evaluate_text is 'The text of a row, or null and the SQLSTATE that its expression raises.';
