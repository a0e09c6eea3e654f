--! Previous: sha1:fc1c399488ac3a3e7c661b0002707054b04ff4ba
--! Hash: sha1:479df5c31c290156674676f8666f94e58be1013c
--! Message: free-claims

-- Three statements in one round trip. A transaction of the listener's own would keep queue rows locked, and with them
-- the users who write those rows, for as long as its process is stopped or its network is half-open.
create function public.embed_free_claims(listener_id integer, silence interval) returns integer
language plpgsql strict set search_path = pg_catalog, pg_temp as $$
declare
  freed integer;
begin
  -- A claim holds its listener's row while it runs. With this lock none is under way, and one that comes late, however
  -- late, finds no row and claims nothing. Seen in the future: the server's clock was set back.
  perform from public.embedding_listener l
  where l.id = listener_id and (silence = interval '0' or l.seen_at not between now() - silence and now() + silence)
  for update skip locked;
  if not found then
    return 0;
  end if;
  update public.embedding_queue q set owner = null
  from (select source_id, key from public.embedding_queue where owner = listener_id for update skip locked) o
  where q.source_id = o.source_id and q.key = o.key;
  get diagnostics freed = row_count;
  delete from public.embedding_reservation r
  where r.ticket in (select ticket from public.embedding_reservation where owner = listener_id for update skip locked);
  delete from public.embedding_listener l
  where l.id = listener_id and not exists (select from public.embedding_queue q where q.owner = l.id);
  if freed > 0 then
    perform pg_notify('embedding_queue', '');
  end if;
  return freed;
end
$$;
comment on function public.embed_free_claims is 'Frees whatever a listener has claimed, if it has been silent that long, and strikes it off the list once nothing of it is left. What a user holds locked is freed by a later call.';
