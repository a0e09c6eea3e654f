-- After every migration this is done again for roles that may call autoembed.search(), ask() and wait().
create or replace function autoembed.grant_search(searcher regrole) returns void
language plpgsql strict
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('grant usage on schema autoembed to %s', searcher::text);
  -- The right to this column is its mark, see intended_grantees().
  execute format('grant select, select (vector_column) on autoembed.embedding_source to %s', searcher::text);
  execute format('grant execute on procedure autoembed.ask to %s', searcher::text);
  execute format('grant execute on function autoembed.search(text, %s.vector, integer, text),
    autoembed.search(text, text, integer, text), autoembed.search_rounds, autoembed.nearest_sql,
    autoembed.search_as_json, autoembed.named_source, autoembed.embedded_by, autoembed.find_question,
    autoembed.put_question,
    autoembed.withdraw_question, autoembed.refuse_question, autoembed.commit_refusal,
    autoembed.candidates_sql, autoembed.is_dear, autoembed.estimated_vectors,
    autoembed.settings_for_candidates, autoembed.vector_forms, autoembed.index_settings, autoembed.key_sql,
    autoembed.vector_schema, autoembed.key_is_plain, autoembed.written,
    autoembed.wait, autoembed.is_current, autoembed.check_given_key, autoembed.is_readable_key,
    autoembed.key_is_sql, autoembed.same_key_sql, autoembed.queue_state,
    autoembed.hides_rows, autoembed.evaluate_text, autoembed.roles_without_queue,
    autoembed.missing_trigger_rights, autoembed.policies_hide to %s',
    autoembed.vector_schema(), searcher::text);
  perform autoembed.grant_vector_schema(searcher);
end
$$;
comment on function autoembed.grant_search is
  'Lets a role call autoembed.search(), autoembed.ask() and autoembed.wait(), which find what that role may read.';
