create or replace function autoembed.virtual_column(watched_table regclass, tree text) returns text
language sql stable strict
set search_path = pg_catalog, pg_temp
as $$
  select quote_ident(a.attname) from pg_attribute a
  where a.attrelid = watched_table and a.attgenerated = 'v' and not a.attisdropped and exists (
    select from regexp_matches(tree, '[{]VAR :varno [0-9]+ :varattno (-?[0-9]+) ', 'g') as mentioned(numbers)
    -- Column 0 is the whole row.
    where numbers[1]::int in (0, a.attnum))
  order by a.attnum limit 1
$$;
comment on function autoembed.virtual_column is
  'A virtual generated column in a parse tree, of its own or with the whole row; null where there is none.';
