-- As it was before there were tenants.
drop function if exists autoembed.watch(
  regclass, text, text[], text, text, text, text, integer, jsonb, regclass, jsonb);
create or replace function autoembed.watch(
  watched_table regclass,
  text_expression text,
  key_columns text[] default null,
  vector_column text default 'embedding',
  source_name text default null,
  backend text default null,
  model text default null,
  dimensions integer default null,
  settings jsonb default '{}',
  vector_table regclass default null,
  passages jsonb default null,
  tenant text default null
) returns autoembed.embedding_source
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  wanted autoembed.embedding_source;
  before autoembed.embedding_source;
  source autoembed.embedding_source;
  unseen boolean;
  left_keys text[];
begin
  wanted := autoembed.wanted_source(watched_table, text_expression, key_columns, vector_column, source_name, backend,
    model, dimensions, settings, vector_table, passages, tenant);
  select * into before from autoembed.embedding_source s where s.name = wanted.name for update;
  perform autoembed.check_model_is_settled(before, wanted);
  -- Before a table is locked: every vector is read.
  left_keys := case when before.id is not null then autoembed.left_vectors(before, wanted) end;
  perform autoembed.release_former(before, wanted);
  if passages is not null then
    perform autoembed.watch_chunks(wanted);
  end if;
  source := autoembed.save_source(wanted);
  unseen := autoembed.may_have_missed_changes(before);
  perform autoembed.install_triggers(source);
  -- The triggers of chunks find their tenants in this source.
  perform autoembed.install_triggers(c) from autoembed.embedding_source c
  where source.passages is not null and c.watched_table = source.vector_table
    and num_nonnulls(before.tenant_column, source.tenant_column) > 0;
  if before.id is not null
    and (before.watched_table, before.key_columns, before.text_expression, before.vector_column, before.vector_table,
      before.passages)
    is distinct from (source.watched_table, source.key_columns, source.text_expression, source.vector_column,
      source.vector_table, source.passages)
  then
    perform autoembed.requeue(before, source, unseen);
    perform autoembed.outdate_left_vectors(before, source, left_keys);
  end if;
  perform pg_notify('autoembed', '');
  return source;
end
$$;
comment on function autoembed.watch is
  'Watches a text of a table: from now on every change of it is queued. Called again with the same name, it changes '
  'the source. With passages, the text is cut into chunks, rows of vector_table that are watched too. Rows that exist '
  'already wait for a backfill.';
