create or replace function autoembed.named_source(source_name text) returns autoembed.embedding_source
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  source autoembed.embedding_source;
begin
  select s.* into source from autoembed.embedding_source s where s.name = source_name;
  if not found then
    raise exception 'no source is called %', quote_nullable(source_name)
      using hint = 'select name from autoembed.embedding_source;', errcode = 'undefined_object';
  end if;
  return source;
end
$$;
comment on function autoembed.named_source is 'The source of that name. Raises where there is none.';
