-- A message with a character that the client's encoding does not have is an error, and a warning must fail no write.
create or replace function autoembed.ascii_name(relation regclass) returns text
language sql stable strict
set search_path = pg_catalog, pg_temp
as $$
  select regexp_replace(relation::text collate "C", '[^ -~]', '?', 'g')
$$;
comment on function autoembed.ascii_name is
  'The name of a table as a message of a trigger function has it: with ? for every character that is not of ASCII.';
