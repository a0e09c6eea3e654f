create or replace function autoembed.kept_key_types(source autoembed.embedding_source) returns text[]
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  -- A source from before the types were kept has few rows, if any, whose keys were ever written in another way.
  select coalesce(source.key_types, case when t.types <@ array['integer', 'text', 'uuid'] then t.types end)
  from (select autoembed.key_types(source)) t(types)
$$;
comment on function autoembed.kept_key_types is
  'As key_types() has it, of what is kept under keys: as it was when these were last known to be written as the rows '
  'have them. Where that was not recorded, the present types, if each value of them is written in one way; else null.';
