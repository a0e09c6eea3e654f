create or replace function autoembed.check_vector_column(
  receiver regclass, vector_column text, is_apart boolean
) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  receiving pg_attribute;
begin
  select a.* into receiving from pg_attribute a join pg_type y on y.oid = a.atttypid
  where a.attrelid = receiver and a.attname = vector_column and not a.attisdropped
    and y.typname in ('vector', 'halfvec');
  if not found then
    raise exception 'table % has no column % of type vector or halfvec', receiver, quote_ident(vector_column)
      using hint = format('alter table %s add column %I vector(1536);', receiver, vector_column),
        errcode = 'undefined_column';
  end if;
  if receiving.attgenerated <> '' then
    raise exception 'column % of % is generated: no vector can be written to it', quote_ident(vector_column), receiver
      using hint = 'Name another column for the vectors.', errcode = 'wrong_object_type';
  end if;
  -- In a table of their own a row without a vector is not there.
  if receiving.attnotnull and not is_apart then
    raise exception 'column % of % is NOT NULL, and a row has no vector before it is embedded, nor without a text',
        quote_ident(vector_column), receiver
      using hint = format('alter table %s alter column %I drop not null;', receiver, vector_column),
        errcode = 'wrong_object_type';
  end if;
end
$$;
comment on function autoembed.check_vector_column is
  'Raises, with what to do, unless vectors can be written to the column.';
