-- What a caller's session sets would make another text of a key: one that is_current() or wait() read as another day.
create or replace function autoembed.written(value anyelement) returns text
language sql stable
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set intervalstyle = 'postgres'
set bytea_output = 'hex'
set extra_float_digits = 1
set array_nulls = on
as $$
  select value::text
$$;
comment on function autoembed.written is
  'The value of a key''s column as the queue writes it, whatever the session sets.';
