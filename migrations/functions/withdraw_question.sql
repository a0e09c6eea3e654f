-- A listener that embeds it already keeps its row, without the text: who asks the same waits for that answer.
create or replace function autoembed.withdraw_question(asked_source integer, question text) returns void
language sql strict security definer
set search_path = pg_catalog, pg_temp
as $$
  update autoembed.embedding_asked a set question = null
  from autoembed.embedding_source s
  where s.id = asked_source and a.source_id = autoembed.embedded_by(s) and a.text_hash = autoembed.question_hash($2)
$$;
comment on function autoembed.withdraw_question is
  'Removes the text of a question that waits. Another session that waits for the same puts it there again.';
