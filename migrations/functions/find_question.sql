-- With its owner's rights: who asks may not read the questions of others. It says no more than it is asked.
create or replace function autoembed.find_question(
  asked_source integer, question text, out embedding vector, out state text
)
language sql stable strict security definer
set search_path = pg_catalog, pg_temp
as $$
  select q.embedding, coalesce(a.failure, case when a.question is not null then 'waiting' end)
  from autoembed.embedding_source s
  join autoembed.embedding_source e on e.id = autoembed.embedded_by(s)
  left join autoembed.embedding_question q on q.model = e.question_model
    and q.text_hash = autoembed.question_hash($2) and q.asked_at > now() - interval '1 hour'
  left join autoembed.embedding_asked a on a.source_id = e.id and a.text_hash = autoembed.question_hash($2)
  where s.id = asked_source
$$;
comment on function autoembed.find_question is
  'The vector of a question that was asked of a source within the hour; and waiting, or why it failed, where it was '
  'asked by autoembed.ask() and has none.';
