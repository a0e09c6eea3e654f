-- As it was before there were tenants.
drop function if exists autoembed.wanted_source(
  regclass, text, text[], text, text, text, text, integer, jsonb, regclass, jsonb);
create or replace function autoembed.wanted_source(
  watched_table regclass, text_expression text, key_columns text[], vector_column text, source_name text, backend text,
  model text, dimensions integer, settings jsonb, vector_table regclass, passages jsonb,
  tenant text
) returns autoembed.embedding_source
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  wanted autoembed.embedding_source;
begin
  if watched_table is null or text_expression is null then
    raise exception 'autoembed.watch() needs a table and a text' using errcode = 'null_value_not_allowed';
  end if;
  perform autoembed.check_table(watched_table);
  wanted.watched_table := watched_table;
  wanted.key_columns := coalesce(key_columns, autoembed.primary_key(watched_table));
  perform autoembed.check_key(watched_table, wanted.key_columns);
  perform autoembed.check_key_types(watched_table, wanted.key_columns);
  wanted.text_expression := autoembed.find_text(watched_table, text_expression);
  perform autoembed.check_vector_table(
    vector_table, watched_table, wanted.key_columns, vector_column, passages is not null);
  perform autoembed.check_vector_column(
    coalesce(vector_table, watched_table), vector_column, vector_table is not null);
  if vector_table is null then
    perform autoembed.check_text_is_kept(watched_table, wanted.text_expression, vector_column);
  end if;
  wanted.vector_column := vector_column;
  wanted.vector_table := vector_table;
  wanted.passages := passages;
  perform autoembed.check_tenant(watched_table, tenant);
  wanted.tenant_column := tenant;
  wanted.name := coalesce(source_name, autoembed.default_name(watched_table));
  wanted.backend := backend;
  wanted.model := model;
  wanted.dimensions := dimensions;
  wanted.settings := settings;
  perform autoembed.check_receiver_is_free(wanted);
  return wanted;
end
$$;
comment on function autoembed.wanted_source is
  'A source as it is asked for, not saved yet. Raises, with what to do, where it cannot be watched. Used by '
  'autoembed.watch().';
