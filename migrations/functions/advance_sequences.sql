-- Logical replication does not replicate sequences: after a switch to such a replica they would give numbers that are
-- in use. Only forward, and only where that is needed.
create or replace function autoembed.advance_sequences() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  numbered record;
  highest bigint;
  last bigint;
  is_called boolean;
begin
  for numbered in
    select c.oid::regclass as relation, a.attname as number,
      coalesce(pg_get_serial_sequence(c.oid::regclass::text, a.attname), 'autoembed.embedding_ticket') as sequence
    from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = 'autoembed'::regnamespace and c.relkind = 'r' and not a.attisdropped
      and (a.attidentity <> '' or c.relname = 'embedding_queue' and a.attname = 'ticket')
  loop
    if numbered.number = 'ticket' then
      -- By the index, which has no failed rows: these get new tickets when they are tried again.
      select max(q.ticket) into highest from autoembed.embedding_source s cross join lateral (
        select max(ticket) as ticket from autoembed.embedding_queue where source_id = s.id and failed_at is null) q;
    else
      execute format('select max(%I) from %s', numbered.number, numbered.relation) into highest;
    end if;
    execute format('select last_value, is_called from %s', numbered.sequence) into last, is_called;
    if highest > last or highest = last and not is_called then
      perform setval(numbered.sequence, highest);
    end if;
  end loop;
end
$$;
comment on function autoembed.advance_sequences is
  'Sets each sequence that is behind its table to the highest number there.';
