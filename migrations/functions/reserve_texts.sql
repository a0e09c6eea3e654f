-- Part of the claim. Only its inserts can wait, and only for other claims or drops of reservations, none of which waits
-- for a user. All insert in the order of the hashes, so claims cannot deadlock. Its later statements see what was
-- committed since the claim began.
create or replace function autoembed.reserve_texts(
  model text, hashes bytea[], tickets bigint[], claimant integer,
  lender_ids integer[] default '{}', source_ids integer[] default '{}', cache_names text[] default '{}'
) returns table (text_hash bytea, state text, since_ms float8)
language plpgsql strict rows 8
-- These plans are kept, and are made while the cache may still be empty.
set enable_seqscan = off
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  begin
    -- Almost always none of them is reserved, and this costs half of what "on conflict" does.
    insert into autoembed.embedding_reservation (text_hash, cache_model, ticket, owner)
    select n.text_hash, model, min(n.ticket), claimant from unnest(hashes, tickets) as n(text_hash, ticket)
    group by n.text_hash order by n.text_hash;
    -- What this listener has just written is no danger: it drops a reservation 100 ms after the vector is written.
    if not exists (select from autoembed.embedding_listener l where l.id <> claimant) then
      return;
    end if;
  exception when unique_violation then
    insert into autoembed.embedding_reservation (text_hash, cache_model, ticket, owner)
    select n.text_hash, model, min(n.ticket), claimant from unnest(hashes, tickets) as n(text_hash, ticket)
    group by n.text_hash order by n.text_hash
    on conflict do nothing;
  end;

  return query
  with others as materialized (
    select n.text_hash, r.reserved_at, r.owner, r.ticket,
      case when e.text_hash is not null then 'cached' else 'taken' end as state
    from (select distinct unnest(hashes) as text_hash) n
    left join lateral (
      select n.text_hash
      where exists (select from autoembed.embedding_ledger l
          where l.text_hash = n.text_hash and l.model_id = any(lender_ids) and l.source_id + 0 = any(source_ids)
            and l.vector_hash is not null)
        or exists (select from autoembed.embedding_cache e
          where e.model = any(cache_names || reserve_texts.model) and e.text_hash = n.text_hash offset 0)
      offset 0) e on true
    left join lateral (select r.reserved_at, r.owner, r.ticket from autoembed.embedding_reservation r
      where r.text_hash = n.text_hash and r.cache_model = model offset 0) r on true
    where e.text_hash is not null or r.ticket is null or r.owner <> claimant or r.ticket <> all(tickets)
  ), needless as materialized (
    select r.text_hash
    from others o join autoembed.embedding_reservation r on r.text_hash = o.text_hash and r.cache_model = model
    where o.state = 'cached' or not exists (select from autoembed.embedding_listener l where l.id = o.owner)
      -- No listener works for it any more: no text must wait for ever for what one process forgot.
      or (o.reserved_at not between now() - interval '1 minute' and now() + interval '1 minute'
        and not exists (select from autoembed.embedding_page p where p.owner = o.owner)
        and not exists (select from autoembed.embedding_source s join autoembed.embedding_queue q on q.source_id = s.id
          where q.ticket = o.ticket and q.failed_at is null and q.owner is not null offset 0))
    for update of r skip locked
  ), dropped as (
    delete from autoembed.embedding_reservation r using needless
    where r.text_hash = needless.text_hash and r.cache_model = model
  )
  select o.text_hash, o.state, coalesce(extract(epoch from clock_timestamp() - o.reserved_at) * 1000, 0)::float8
  from others o;
end
$$;
comment on function autoembed.reserve_texts is
  'Reserves texts for a claim. Returns those that it must not embed: taken are being embedded by others; cached have a '
  'vector by now, of a row of these sources by one of these models, or in the cache under one of these names.';
