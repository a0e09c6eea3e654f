-- The name of a table, a role or a function changes when that is renamed, and money is written by lc_monetary, and may
-- not be readable under another. Also within domains, arrays, ranges and composite types.
create or replace function autoembed.varying_key(watched_table regclass, key_columns text[]) returns text
language sql stable strict
set search_path = pg_catalog, pg_temp
as $$
  with recursive part(name, type) as (
    select a.attname, a.atttypid from pg_attribute a
    where a.attrelid = watched_table and a.attname = any(key_columns) and not a.attisdropped
    union
    select p.name, made_of.type from part p join pg_type y on y.oid = p.type cross join lateral (
      select y.typbasetype union all select y.typelem where y.typcategory = 'A'
      union all select r.rngsubtype from pg_range r where y.oid in (r.rngtypid, r.rngmultitypid)
      union all select c.atttypid from pg_attribute c
        where c.attrelid = y.typrelid and y.typtype = 'c' and c.attnum > 0 and not c.attisdropped) as made_of(type)
    where made_of.type <> 0
  )
  select format('%I (%s)', p.name, y.typname) from part p join pg_type y on y.oid = p.type
  where y.typnamespace = 'pg_catalog'::regnamespace and (y.typname = 'money' or starts_with(y.typname, 'reg'))
  order by p.name, y.typname limit 1
$$;
comment on function autoembed.varying_key is
  'A column of the key, with its type, whose text may become another though the row stays the same; null where there '
  'is none.';
