-- A text expression may raise for one row: a division by zero, a cast, a function of the user's. A statement over many
-- rows is then made again with this in its place. The database's message may hold the row's text, so only its code is
-- returned. What passes by itself (an outage, a deadlock, a lock, a full disk) is raised again, and so is what fails
-- over no row too: a column or a function was renamed, or a right to it lost; also where a function misses a table, a
-- column or another function. None of this is the fault of a row.
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
exception when assert_failure or others then
  if sqlstate operator(pg_catalog.~) '^(08|25|40|53|57|HV)|^(55P03|58030|42P01|42703|42883|3F000)$' then
    raise;
  end if;
  -- "offset 0" keeps Postgres from putting the row's values into the expression, which could raise in planning.
  execute format('select (%s)::text from (select ($1).* offset 0) %I limit 0', text_expression, table_name)
  using watched_row;
  return array[null, sqlstate];
end
$$;
comment on function autoembed.evaluate_text is
  'The text of a row, or null and the SQLSTATE that its expression raises.';
