create or replace function autoembed.check_tenant(watched_table regclass, tenant text) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  found pg_attribute;
  base oid;
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
  -- A domain may be over another one.
  with recursive bases(type, of) as (
    select y.oid, y.typbasetype from pg_type y where y.oid = found.atttypid
    union all select y.oid, y.typbasetype from bases b join pg_type y on y.oid = b.of)
  select b.type into base from bases b where b.of = 0;
  if base not in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype, 'bool'::regtype,
      'uuid'::regtype, 'text'::regtype, 'varchar'::regtype, 'bpchar'::regtype)
    and not exists (
      select from pg_type y where y.oid = base and y.typtype = 'e'
        and not exists (select from pg_cast c where c.castsource = base and c.casttarget = 'text'::regtype))
  then
    -- One tenant would have several hashes, or a write of the user's would fail.
    raise exception '% of % is %, whose text depends on a session''s settings or on functions', quote_ident(tenant),
      watched_table, format_type(found.atttypid, null)
      using hint = 'Name a column of text, integers, numeric, uuid, boolean or an enum that tells the tenants, or add '
        'one of text.', errcode = 'wrong_object_type';
  end if;
end
$$;
comment on function autoembed.check_tenant is
  'Raises, with what to do, where a table has no such column, its triggers do not see it, or its text varies.';
