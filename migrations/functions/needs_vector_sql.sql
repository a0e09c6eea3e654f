-- Whether a row n that came in is to be queued, as SQL. One that arrives with a vector is taken as embedded, whatever
-- embedded it; one with a blank text must lose it. In a table of their own no vector can be there before its row.
create or replace function autoembed.needs_vector_sql(source autoembed.embedding_source) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  -- A first character of ASCII that is seen settles it, for a tenth of what a regular expression costs (0.9 us per text
  -- of 600 characters). That raises on a text of some 256 million characters: of a very long one the beginning is
  -- looked at first. No backslash: the writer's session may take it for the beginning of an escape.
  select format($sql$(%1$s) = coalesce(case
      when left(%2$s, 1) collate "C" between '!' and '~' then true
      when octet_length(%2$s) > 1000000 and left(%2$s, 1000) ~ '[^[:space:]]' then true
      else %2$s ~ '[^[:space:]]' end, false)$sql$,
    autoembed.has_no_vector_sql(source),
    -- The column's own collation may be one that no regular expression takes, or that takes two texts for equal.
    format('(%s collate "default")', autoembed.text_sql(source, 'n')))
$$;
comment on function autoembed.needs_vector_sql is
  'SQL for whether a row n that came in has a text and no vector, or a vector and no text.';
