create or replace function autoembed.check_tenant(watched_table regclass, tenant text) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  found pg_attribute;
begin
  if tenant is null then
    return;
  end if;
  select * into found from pg_attribute a
  where a.attrelid = watched_table and a.attname = tenant and a.attnum > 0 and not a.attisdropped;
  if found.attname is null then
    raise exception '% has no column %, which is to tell its tenants', watched_table, quote_ident(tenant)
      using hint = 'It has ' || (
        select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute a
        where a.attrelid = watched_table and a.attnum > 0 and not a.attisdropped)
        || '. Name the one that tells whose row it is, or none.', errcode = 'undefined_column';
  end if;
  if found.attgenerated = 'v' then
    raise exception '% is a virtual generated column, whose value triggers do not see', quote_ident(tenant)
      using hint = 'Make it stored, or name the column that it is made from.', errcode = 'wrong_object_type';
  end if;
end
$$;
comment on function autoembed.check_tenant is
  'Raises, with what to do, where a table has no such column, or its triggers do not see it.';
