create or replace function autoembed.embed_all_again(source autoembed.embedding_source, columns text[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set intervalstyle = 'postgres'
set bytea_output = 'hex'
set extra_float_digits = 1
as $$
begin
  -- Texts that are cut into chunks have no backfill by ranges. A row that a user holds is left out: waiting for it, we
  -- would hold others that the same user may be waiting for. Its change is queued when it is written.
  if source.passages is not null then
    execute format('insert into autoembed.embedding_queue (source_id, key, tenant)
      select $1, %s, $2 from (select n.* from %s n where %s for no key update skip locked) n
      on conflict (source_id, key) do nothing',
      autoembed.key_sql('n', source.key_columns), source.watched_table::text, autoembed.key_fits_sql(source))
      -- All in one turn: see tenants_in_turn().
      using source.id, case when source.tenant_column is not null then 0 end;
    return;
  end if;
  insert into autoembed.embedding_backfill as b (source_id, is_all, key_columns)
  values (source.id, true, columns)
  on conflict (source_id) do update
  set is_all = true, reads_again = true, started_at = excluded.started_at;
end
$$;
comment on function autoembed.embed_all_again is
  'Has all rows of a source read again, and each embedded whose text no vector in the ledger is of: which of them were '
  'changed is not known any more.';
