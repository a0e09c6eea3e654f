-- Several statements in one round trip. In a transaction of the listener's own, queue rows would stay locked, and with
-- them the users who write those rows, for as long as its process is stopped or its network is half-open.
create or replace function autoembed.free_claims(listener_id integer, silence interval) returns integer
language plpgsql strict
set search_path = pg_catalog, pg_temp
as $$
declare
  freed integer;
  freed_pages integer;
begin
  -- A claim holds its listener's row while it runs. With this lock none is under way, and one that comes late, however
  -- late, finds no row and claims nothing. Seen in the future: the server's clock was set back.
  perform from autoembed.embedding_listener l
  where l.id = listener_id and (silence = interval '0' or l.seen_at not between now() - silence and now() + silence)
  for update skip locked;
  if not found then
    return 0;
  end if;
  update autoembed.embedding_queue q set owner = null
  from (select source_id, key from autoembed.embedding_queue where owner = listener_id for update skip locked) o
  where q.source_id = o.source_id and q.key = o.key;
  get diagnostics freed = row_count;
  update autoembed.embedding_page p set owner = null
  from (select id from autoembed.embedding_page where owner = listener_id for update skip locked) o
  where p.id = o.id;
  get diagnostics freed_pages = row_count;
  delete from autoembed.embedding_reservation r
  where (r.text_hash, r.cache_model) in (
    select text_hash, cache_model from autoembed.embedding_reservation where owner = listener_id
    for update skip locked);
  delete from autoembed.embedding_listener l
  where l.id = listener_id and not exists (select from autoembed.embedding_queue q where q.owner = l.id)
    and not exists (select from autoembed.embedding_page p where p.owner = l.id);
  if freed + freed_pages > 0 then
    perform pg_notify('autoembed', '');
  end if;
  return freed;
end
$$;
comment on function autoembed.free_claims is
  'Frees what a listener has claimed, if it has been silent that long, and deregisters it once nothing of it is left. '
  'What a user holds locked is freed by a later call.';
