create or replace function autoembed.is_readable_key(key text, types text[]) returns boolean
language plpgsql stable strict
set search_path = pg_catalog, pg_temp
as $$
declare
  is_value boolean;
begin
  for i in 1 .. cardinality(types) loop
    execute format('select $1::%s is not null', types[i]) into is_value
    using case when cardinality(types) = 1 then key else key::jsonb ->> (i - 1) end;
  end loop;
  return true;
-- Also NaN of an integer, by way of numeric.
exception when data_exception or check_violation or feature_not_supported then
  return false;
end
$$;
comment on function autoembed.is_readable_key is
  'Whether a stored key can be a key of a table whose key has columns of these types.';
