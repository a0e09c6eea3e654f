-- In one pass: a value that looks like a placeholder, such as a text expression with braces in it, stays as it is.
create or replace function autoembed.render(template text, placeholders jsonb) returns text
language plpgsql immutable strict
set search_path = pg_catalog, pg_temp
as $$
declare
  parts constant text[] := string_to_array(template, '{{');
  rendered text := parts[1];
  part text;
  name text;
begin
  foreach part in array parts[2:] loop
    name := split_part(part, '}}', 1);
    if placeholders ->> name is null then
      raise exception 'the template has a placeholder {{%}} that nothing fills in', name
        using hint = 'The functions and the templates are of different versions: migrate again.';
    end if;
    rendered := rendered || (placeholders ->> name) || substr(part, length(name) + 3);
  end loop;
  return rendered;
end
$$;
comment on function autoembed.render is
  'A template with each {{name}} replaced by its value. Raises where a value is missing.';
