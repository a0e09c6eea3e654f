-- By words that were asked before. A literal without a type comes here too, so a vector is handed on.
create or replace function autoembed.search(
  source_name text, question text, k integer default 10, filter text default null
)
returns table (key text, distance double precision, chunk integer, start_char integer, end_char integer)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  query_vector autoembed.embedding_question.embedding%type;
  asked_source integer;
begin
  if question ~ '^[[:space:]]*[[][-+0-9.eE,[:space:]]*[]][[:space:]]*$' then
    query_vector := question;
  else
    asked_source := (autoembed.named_source(source_name)).id;
    query_vector := (autoembed.find_question(asked_source, question)).embedding;
  end if;
  if query_vector is null then
    raise exception 'this question was not asked of % within the last hour', source_name
      using hint = format('Outside of a transaction, ask it first: call autoembed.ask(%L, $1)', source_name),
        errcode = 'object_not_in_prerequisite_state';
  end if;
  return query select * from autoembed.search(source_name, query_vector, k, filter);
end
$$;
comment on function autoembed.search(text, text, integer, text) is
  'As autoembed.search() by a vector, for a question that autoembed.ask() or another search has asked within the hour.';
