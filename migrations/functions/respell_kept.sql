create or replace function autoembed.respell_kept(source autoembed.embedding_source) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set intervalstyle = 'postgres'
set bytea_output = 'hex'
set extra_float_digits = 1
as $$
declare
  keys text[];
begin
  -- What is claimed is claimed again: its key must not stay behind.
  update autoembed.embedding_queue set owner = null where source_id = source.id and owner is not null;
  execute format('select array(
      select k.key from (
        select l.key from autoembed.embedding_ledger l where l.source_id = $1
        union select e.key from autoembed.embedding_cache e where e.source_id = $1
        union select q.key from autoembed.embedding_queue q where q.source_id = $1) k
      where not exists (select from %s t where %s = k.key))',
    source.watched_table::text, autoembed.key_sql('t', source.key_columns)) into keys using source.id;
  if autoembed.respell_page(source, keys) > 0 then
    -- Not as a lock that was not got: all this would be done again and again while the table is locked.
    raise object_in_use using message = format('rows of %s are locked', source.watched_table), hint = 'Do it later.';
  end if;
end
$$;
comment on function autoembed.respell_kept is
  'Part of requeue(): gives what is kept the keys as the rows of the table have them; raises where rows are locked.';
