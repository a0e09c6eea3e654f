create or replace function autoembed.text_is_plain(source autoembed.embedding_source) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
  select exists (
    select from pg_attribute a
    where a.attrelid = source.watched_table and a.attnum > 0 and not a.attisdropped
      and quote_ident(a.attname) = source.text_expression
      and a.atttypid in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype))
$$;
comment on function autoembed.text_is_plain is
  'Whether the text is a column of text, so that reading it raises for no row and depends on no setting.';
