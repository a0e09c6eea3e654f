-- As searches from TypeScript have it, if it is written as they embed it: of one by words too they take out quotes,
-- -words and further white space.
create or replace function autoembed.question_hash(question text) returns bytea
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select sha256(convert_to(autoembed.trimmed_question(question), 'UTF8'))
$$;
comment on function autoembed.question_hash is 'What embedding_asked and embedding_question call a question.';
