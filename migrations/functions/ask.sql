-- Each look for the answer is a transaction of its own, so it can have neither a SET clause nor its owner's rights:
-- both forbid to commit. Every transaction sets the search path instead, before anything is looked up in it.
create or replace procedure autoembed.ask(
  source_name text, question text, k integer default 10, filter text default null,
  patience interval default '30 s', inout hits jsonb default null
)
language plpgsql
as $$
declare
  asked_source pg_catalog.int4;
  query_vector autoembed.embedding_question.embedding%type;
  state pg_catalog.text;
  problem pg_catalog.text;
  deadline pg_catalog.timestamptz;
  put_at pg_catalog.timestamptz := '-infinity';
  pause pg_catalog.float8 := 0;
begin
  perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  begin
    commit;
  exception when invalid_transaction_termination then
    if sqlerrm = autoembed.commit_refusal() then
      raise exception 'autoembed.ask() was called inside of a transaction, where no answer would be seen'
        using hint = 'Call it by itself: outside of begin and of functions, with autocommit on.',
          errcode = 'active_sql_transaction';
    end if;
  end;
  deadline := clock_timestamp() + coalesce(patience, interval '30 s');
  asked_source := (autoembed.named_source(source_name)).id;
  while problem is null loop
    commit;
    set transaction isolation level read committed;
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    begin
      perform pg_sleep(pause);
      select f.embedding, f.state into query_vector, state from autoembed.find_question(asked_source, question) f;
      -- What is known before it is put is why it failed for another session.
      problem := case when query_vector is not null then null
        when put_at > '-infinity' and state <> 'waiting' then state
        when clock_timestamp() > deadline then 'late' end;
      -- Again every second: a listener may have missed it, or have died.
      if query_vector is null and problem is null and (state is null or clock_timestamp() > put_at + interval '1s') then
        put_at := clock_timestamp();
        problem := case when not autoembed.put_question(asked_source, question) then 'silence' end;
      end if;
    exception when query_canceled then
      query_vector := null;
      problem := 'canceled';
    end;
    exit when query_vector is not null;
    pause := least(pause * 1.2 + 0.001, 0.01);
  end loop;
  if problem is not null then
    perform autoembed.withdraw_question(asked_source, question);
    commit;
    perform autoembed.refuse_question(problem);
  end if;
  -- A change of the model gives the name to another source, and the vector is of the old one's model.
  if (autoembed.named_source(source_name)).id <> asked_source then
    raise exception 'the model of % was changed while the question waited', source_name
      using hint = 'Ask again.', errcode = 'serialization_failure';
  end if;
  hits := autoembed.search_as_json(source_name, query_vector, k, filter);
end
$$;
comment on procedure autoembed.ask is
  'Searches a source by a question, which a listener embeds: its rows as a JSON array of {key, score, distance}, best '
  'first. The question is kept until it is embedded, and its vector for an hour, for autoembed.search().';
