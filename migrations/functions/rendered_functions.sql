create or replace function autoembed.rendered_functions(source autoembed.embedding_source)
returns table (name text, definition text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select format('source_%s_%s', source.id, t.name), autoembed.render(t.body, v.placeholders)
  from autoembed.trigger_template t, (select autoembed.trigger_values(source) offset 0) v(placeholders)
  order by 1
$$;
comment on function autoembed.rendered_functions is
  'The trigger functions that a source is to have, each with the statement that makes it.';
