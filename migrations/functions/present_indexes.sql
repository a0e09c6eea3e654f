-- In lower case, as missing_indexes() has them (of ASCII: in Turkish an I becomes another letter), and without the
-- storage settings of an index.
create or replace function autoembed.present_indexes()
returns table (relation name, name name, definition text, is_key boolean, is_valid boolean)
language sql stable
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
  select t.relname, x.relname, coalesce(lower(pg_get_constraintdef(k.oid) collate "C"),
      case when i.indisunique then 'unique ' else '' end || 'index '
        || regexp_replace(split_part(lower(pg_get_indexdef(x.oid) collate "C"), ' using ', 2),
          ' with [(][^)]*[)]', '')),
    k.oid is not null, i.indisvalid and i.indisready
  from pg_index i join pg_class t on t.oid = i.indrelid join pg_class x on x.oid = i.indexrelid
  left join pg_constraint k on k.conindid = x.oid and k.conrelid = t.oid
  where t.relnamespace = 'autoembed'::regnamespace
$$;
comment on function autoembed.present_indexes is
  'Indexes and keys that our tables have, and whether each can be used.';
