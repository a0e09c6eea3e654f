create or replace function autoembed.check_queue_sql(source autoembed.embedding_source) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select format(
    $sql$if current_setting('autoembed.queue_is_writable', true) is distinct from current_user::text then
    begin
      perform autoembed.check_queue_is_writable();
    exception when others then
      %s
    end;
  end if;$sql$, autoembed.give_up_sql(source))
$$;
comment on function autoembed.check_queue_sql is
  'What a trigger function does before it writes, once per transaction and owner.';
