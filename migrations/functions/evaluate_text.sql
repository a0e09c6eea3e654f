-- A text expression may raise for one row: a division by zero, a cast, a function of the user's. A statement over many
-- rows is then made again with this in its place. The database's message may hold the row's text, so only its code is
-- returned.
create or replace function autoembed.evaluate_text(watched_row anyelement, text_expression text, table_name text)
returns text[]
language plpgsql stable
as $$
declare
  content text;
begin
  execute format('select (%s)::text from (select ($1).*) %I', text_expression, table_name)
  into content using watched_row;
  -- A single-byte encoding such as WIN1252 takes bytes that are no character: they cannot be sent, nor hashed as UTF-8.
  perform pg_catalog.convert_to(content, 'UTF8');
  return array[content, null];
exception when others then
  return array[null, sqlstate];
end
$$;
comment on function autoembed.evaluate_text is
  'The text of a row, or null and the SQLSTATE that its expression raises.';
