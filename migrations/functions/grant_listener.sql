-- After every migration this is done again for roles that have it, so that what a newer listener needs besides is not
-- missing.
create or replace function autoembed.grant_listener(listener regrole) returns void
language plpgsql strict
set search_path = pg_catalog, pg_temp
as $$
declare
  granted text;
begin
  foreach granted in array array[
    'usage on schema autoembed',
    'select on autoembed.migration',
    -- The right to `trouble` is its mark, see intended_grantees().
    'select, update (trouble, current_model, question_model, key_types) on autoembed.embedding_source',
    'select, insert, update, delete on autoembed.embedding_queue',
    'select, insert, update, delete on autoembed.embedding_backfill',
    'select, insert, update, delete on autoembed.embedding_page',
    'select, insert, update, delete on autoembed.embedding_batch',
    'select, insert, update, delete on autoembed.embedding_cache',
    'select, insert, update, delete on autoembed.embedding_ledger',
    'select, insert on autoembed.embedding_model',
    'select, insert, update, delete on autoembed.embedding_question',
    'select, update, delete on autoembed.embedding_asked',
    'select, insert, update, delete on autoembed.embedding_reservation',
    'select, insert, update, delete on autoembed.embedding_listener',
    'select, insert, update on autoembed.embedding_usage',
    'select, insert, update on autoembed.embedding_spending',
    'usage on sequence autoembed.embedding_ticket',
    'execute on function autoembed.free_claims(integer, interval)',
    'execute on function autoembed.reserve_texts(text, bytea[], bigint[], integer, integer[], integer[], text[])',
    'execute on function autoembed.tenants_in_turn(integer, integer, integer, integer[], bigint[], bigint)',
    'execute on function autoembed.evaluate_text(anyelement, text, text)',
    'execute on function autoembed.check_foreign_key(regclass, regclass, text[])',
    'execute on function autoembed.granted_rights()',
    'execute on function autoembed.hides_rows(oid, "char"[])',
    'execute on function autoembed.intended_grantees()',
    'execute on function autoembed.may_alter(oid)',
    'execute on function autoembed.missing_trigger_rights(oid)',
    'execute on function autoembed.policies_hide(oid, "char"[], oid)',
    'execute on function autoembed.roles_without_queue()',
    'execute on function autoembed.missing_indexes(), autoembed.changed_columns()',
    'execute on function autoembed.changed_tables(), autoembed.lost_tables()',
    'execute on function autoembed.foreign_additions()',
    'execute on function autoembed.missing_constraints()',
    'execute on function autoembed.own_constraints()',
    'execute on function autoembed.is_readable_key(text, text[])',
    'execute on function autoembed.forget_unreadable_keys(integer, text)',
    'execute on function autoembed.requeue_unreadable_keys(autoembed.embedding_source, text[], text[])',
    'execute on function autoembed.embed_all_again(autoembed.embedding_source, text[])',
    'execute on function autoembed.key_sql(text, text[])',
    'execute on function autoembed.respell_keys, autoembed.respell_page, autoembed.respelled_keys',
    'execute on function autoembed.key_types, autoembed.kept_key_types',
    'execute on function autoembed.same_key_sql(text, text, regclass, text[])',
    'execute on function autoembed.key_fits_sql(autoembed.embedding_source)',
    'execute on function autoembed.present_indexes()',
    'execute on function autoembed.outdated_triggers(autoembed.embedding_source)',
    'execute on function autoembed.varying_key(regclass, text[])'
  ] loop
    execute format('grant %s to %s', granted, listener::text);
  end loop;
  perform autoembed.grant_vector_schema(listener);
end
$$;
comment on function autoembed.grant_listener is
  'Gives a role what a listener needs of ours; of each watched table it needs more, see docs/grants.sql.';
