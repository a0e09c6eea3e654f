-- As searches from TypeScript have it: a question begins and ends with a word.
create or replace function autoembed.question_hash(question text) returns bytea
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select sha256(convert_to(autoembed.trimmed_question(question), 'UTF8'))
$$;
comment on function autoembed.question_hash is 'What embedding_asked and embedding_question call a question.';
