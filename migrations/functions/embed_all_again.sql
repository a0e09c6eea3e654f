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
  -- Texts that are cut into chunks have no backfill by ranges.
  if source.passages is not null then
    execute format('insert into autoembed.embedding_queue (source_id, key)
      select $1, %s from %s n where %s on conflict (source_id, key) do nothing',
      autoembed.key_sql('n', source.key_columns), source.watched_table::text, autoembed.key_fits_sql(source))
      using source.id;
    return;
  end if;
  insert into autoembed.embedding_backfill as b (source_id, is_all, key_columns)
  values (source.id, true, columns)
  on conflict (source_id) do update
  set is_all = true, reads_again = true, started_at = excluded.started_at;
end
$$;
comment on function autoembed.embed_all_again is
  'Has every row of a source embedded that has no vector in the ledger for its text: which of them were changed is not '
  'known any more.';
