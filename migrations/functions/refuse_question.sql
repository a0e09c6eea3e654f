create or replace function autoembed.refuse_question(problem text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  message constant text := case problem
    when 'silence' then 'no listener is running, and only a listener embeds questions'
    when 'late' then 'the question was not embedded in time'
    when 'canceled' then 'canceled while the question waited'
    when 'refused' then 'the provider refuses this question'
    when 'too_long' then 'the question is longer than the model takes'
    when 'setup' then 'questions cannot be embedded as the provider is set up'
    else 'the provider does not answer'
  end;
begin
  raise exception '%', message using
    hint = case problem
      when 'silence' then 'Start one: npm start'
      when 'late' then 'Ask again: what was embedded meanwhile is found at once. Or wait longer: patience => ''1 min''.'
      when 'canceled' then 'Ask again.'
      when 'refused' then 'Ask in other words.'
      when 'too_long' then 'Ask in fewer words.'
      when 'setup' then 'npm run doctor says why.'
      else 'Ask again in a moment.'
    end,
    errcode = case problem
      when 'canceled' then 'query_canceled'
      when 'too_long' then 'program_limit_exceeded'
      else 'object_not_in_prerequisite_state'
    end;
end
$$;
comment on function autoembed.refuse_question is
  'Raises for the one who asked, with what to do: silence (no listener), late, canceled, or embedding_asked.failure.';
