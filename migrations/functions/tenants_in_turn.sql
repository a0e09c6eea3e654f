-- Part of the claim; delays are over as src/database/delay-is-over.ts has it. Reads an entry or two of the index per
-- tenant, however many rows each has: those that were claimed of a known tenant are passed over by its head. In
-- PL/pgSQL, since each step begins where the one before has ended.
create or replace function autoembed.tenants_in_turn(
  asked_source integer, start integer, most integer, known integer[], heads bigint[], tail bigint
) returns table (tenant integer, head bigint)
language plpgsql stable strict rows 8
set search_path = pg_catalog, pg_temp
-- These plans are kept, and are made while the queue may still be empty.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
#variable_conflict use_column
declare
  place bigint := start;
  last bigint := 2147483648;
  i integer := 1;
  looked integer := 0;
  found_ones integer := 0;
  next_one integer;
begin
  loop
    while known[i] <= place loop
      i := i + 1;
    end loop;
    select q.tenant into next_one from autoembed.embedding_queue q
    where q.source_id = asked_source and q.failed_at is null and q.tenant is not null
      and q.tenant > place and q.tenant <= least(last, known[i]::bigint - 1)
    order by q.tenant limit 1;
    head := 0;
    if next_one is null and known[i] <= last then
      next_one := known[i];
      head := heads[i];
    end if;
    if next_one is not null then
      place := next_one;
      looked := looked + 1;
      if found_ones > 0 and (found_ones = most or looked > 8 * most) then
        tenant := null;
        return next;
        return;
      end if;
      perform from autoembed.embedding_queue q
      where q.source_id = asked_source and q.failed_at is null and q.tenant is not null
        and (q.tenant, q.ticket) > (next_one, head) and (q.tenant, q.ticket) <= (next_one, tail)
        and q.owner is null and (q.not_before <= now() or q.not_before > now() + interval '1 minute')
      order by q.tenant, q.ticket limit 1;
      if found then
        found_ones := found_ones + 1;
        tenant := next_one;
        return next;
      end if;
    elsif last > start then
      -- From the first one again, up to where it began.
      place := -2147483649;
      last := start;
      i := 1;
    else
      return;
    end if;
  end loop;
end
$$;
comment on function autoembed.tenants_in_turn is
  'The tenants of a source that have rows due up to a ticket, from the one after start on, each with the ticket that '
  'its rows are taken above; known are those that rows were taken of before, in order. A last row of nulls says that '
  'there may be more.';
