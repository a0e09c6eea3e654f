-- What Postgres says of a text that is not of the key's type repeats the text, and not what the key is.
create or replace function autoembed.check_given_key(source autoembed.embedding_source, row_key text) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  types text[];
  described text;
  is_key boolean;
begin
  -- A type of somebody else's is compared as a text, see key_is_sql().
  select array_agg(case y.typnamespace when 'pg_catalog'::regnamespace
      then format_type(a.atttypid, a.atttypmod) else 'text' end order by k.n),
    string_agg(format('%I (%s)', k.c, format_type(a.atttypid, a.atttypmod)), ', ' order by k.n)
  into types, described
  from unnest(source.key_columns) with ordinality as k(c, n)
  join pg_attribute a on a.attrelid = source.watched_table and a.attname = k.c and not a.attisdropped
  join pg_type y on y.oid = a.atttypid;
  is_key := row_key is not null and autoembed.is_readable_key(row_key, types);
  if is_key and cardinality(types) > 1 then
    is_key := case jsonb_typeof(row_key::jsonb) when 'array'
      then jsonb_array_length(row_key::jsonb) = cardinality(types) and not row_key::jsonb @> '[null]' else false end;
  end if;
  if not is_key then
    raise exception 'that is no key of %', source.name
      using errcode = 'invalid_parameter_value',
        hint = case cardinality(types) when 1 then format('Its key is %s.', described)
          else format('Its key is a JSON array of the texts of %s, as a search returns it.', described) end;
  end if;
end
$$;
comment on function autoembed.check_given_key is
  'Raises where a text cannot be the key of a row of a source. The message does not repeat it.';
