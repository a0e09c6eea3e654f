-- With its owner's rights: who asks may not read the questions of others, nor the listeners. It is called at the top of
-- a session alone, where the role that was set is the role that asks.
create or replace function autoembed.put_question(asked_source integer, question text) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  asker constant name := case current_setting('role') when 'none' then session_user else current_setting('role') end;
  source autoembed.embedding_source;
  searched regclass;
begin
  if coalesce(autoembed.trimmed_question(question), '') = '' then
    raise exception 'the question has no words' using errcode = 'invalid_parameter_value';
  elsif octet_length(question) > 65536 then
    raise exception 'the question is longer than 64 kB' using errcode = 'program_limit_exceeded';
  elsif version() ~* 'emscripten' then
    raise exception 'the embedded Postgres has one session: the listener can do nothing while a question waits'
      using hint = 'Ask by npm run search, POST /v1/search or createSearch.', errcode = 'feature_not_supported';
  end if;
  select s.* into source from autoembed.embedding_source s where s.id = asked_source;
  foreach searched in array array[source.watched_table, source.vector_table] loop
    if not has_any_column_privilege(asker, searched, 'select') then
      raise exception 'permission denied for table %', (select c.relname from pg_class c where c.oid = searched)
        using errcode = 'insufficient_privilege';
    end if;
  end loop;
  -- As src/membership/alive.ts has it: one that sleeps and still holds something has died while it woke.
  if not exists (
    select from autoembed.embedding_listener l
    where l.state ? 'answers_questions' and (l.seen_at between now() - interval '3.5 s' and now() + interval '3.5 s'
      or l.state ? 'asleep' and l.seen_at > now() - interval '1 day'
        and not exists (select from autoembed.embedding_queue q where q.owner = l.id and q.failed_at is null)
        and not exists (select from autoembed.embedding_page p where p.owner = l.id)))
  then
    return false;
  end if;
  insert into autoembed.embedding_asked as a (source_id, text_hash, question)
  -- Of a source that is gone nothing is inserted: Postgres's refusal would show the question, in its log too.
  select e.id, autoembed.question_hash(question), autoembed.trimmed_question(question)
  from autoembed.embedding_source e where e.id = autoembed.embedded_by(source)
  -- A listener that has it already goes on.
  on conflict (source_id, text_hash) do update set
    question = excluded.question, owner = case when a.failure is null then a.owner end, failure = null,
    asked_at = excluded.asked_at;
  if not found then
    raise exception 'the source was unwatched, or its model changed, while the question waited'
      using hint = 'Ask again.', errcode = 'serialization_failure';
  end if;
  perform pg_notify('autoembed', 'ask');
  return true;
end
$$;
comment on function autoembed.put_question is
  'Has a question wait for a listener, or wait on, and wakes the listeners at commit. False where none is running: '
  'then it is not kept. Raises where the role that asks may not read the table.';
