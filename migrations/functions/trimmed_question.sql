create or replace function autoembed.trimmed_question(question text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select btrim(question, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13))
$$;
comment on function autoembed.trimmed_question is 'A question without white space around it: that is what is embedded.';
