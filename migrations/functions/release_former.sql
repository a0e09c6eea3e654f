create or replace function autoembed.release_former(
  before autoembed.embedding_source, wanted autoembed.embedding_source
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Before anything is done to the table of the vectors: a user's delete holds this one when it comes down to those.
  if coalesce(wanted.vector_table, before.vector_table) is not null then
    execute format('lock table %s in %s mode', wanted.watched_table,
      case when before.id is null then 'share row exclusive' else 'access exclusive' end);
  end if;
  if before.watched_table <> wanted.watched_table then
    perform autoembed.drop_triggers(before);
  end if;
  -- The chunks are embedded as any table's texts are. Those that they were in before are not kept true any more.
  if before.passages is not null and (wanted.passages is null or before.vector_table <> wanted.vector_table) then
    perform autoembed.unwatch(p.name) from autoembed.embedding_source p where p.watched_table = before.vector_table;
  end if;
end
$$;
comment on function autoembed.release_former is
  'Locks what a source is about to use, and lets go of what it used before and does not use any more.';
