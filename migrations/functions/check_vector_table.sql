create or replace function autoembed.check_vector_table(
  vector_table regclass, watched_table regclass, key_columns text[], vector_column text, in_passages boolean
) returns void
language plpgsql stable strict
set search_path = pg_catalog, pg_temp
as $$
declare
  chunk_columns constant text[] := case
    when in_passages then array['passage_id', 'chunk', 'start_char', 'end_char', 'passage'] else '{}' end;
  culprit text;
begin
  if vector_table = watched_table or exists (
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    -- `uninstall` would find a table of the user's in our schema.
    where c.oid = vector_table and (c.relkind not in ('r', 'p') or n.nspname in ('autoembed', 'information_schema')
      or starts_with(n.nspname, 'pg_')))
  then
    raise exception '% is no table that can hold the vectors of %', vector_table, watched_table
      using hint = 'Name a table that is theirs alone.', errcode = 'wrong_object_type';
  end if;
  perform autoembed.check_shared_key(vector_table, watched_table, key_columns);
  if in_passages then
    perform autoembed.check_chunk_columns(vector_table, key_columns, chunk_columns);
  else
    perform autoembed.check_unique_key(vector_table, key_columns);
  end if;
  perform autoembed.check_foreign_key(vector_table, watched_table, key_columns);
  select quote_ident(v.attname) into culprit from pg_attribute v
  where v.attrelid = vector_table and v.attnum > 0 and not v.attisdropped
    and v.attnotnull and not v.atthasdef and v.attidentity = ''
    and v.attname <> vector_column and v.attname <> all(key_columns || chunk_columns);
  if culprit is not null then
    raise exception 'column % of % is NOT NULL and has no default, so no vector could be put there',
        culprit, vector_table
      using hint = format('alter table %s alter column %s drop not null;', vector_table, culprit),
        errcode = 'invalid_table_definition';
  end if;
end
$$;
comment on function autoembed.check_vector_table is
  'Raises, with what to do, unless the table can hold the vectors of a watched one: its key, unique but for chunks, '
  'with a foreign key that cascades.';
