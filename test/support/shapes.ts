/** Six shapes of watched tables, each with the call that watches it. */
export const SHAPES = {
  "plain-column": `
    create table app.notes (id bigint primary key, body text, embedding vector(8));
    select autoembed.watch('app.notes', 'body')`,
  expression: `
    create table app.articles (id uuid primary key, title text, body text, published timestamptz, embedding vector(8));
    select autoembed.watch('app.articles', $$title || ' ' || coalesce(body, '') || published::text$$)`,
  "composite-key": `
    create table app.lines (document text collate "C", day timestamptz, line int, content text, "The vector" vector(8),
      primary key (document, day, line));
    select autoembed.watch('app.lines', 'content', vector_column => 'The vector')`,
  partitioned: `
    create table app.events (id bigint, region text, body text, embedding vector(8), primary key (region, id))
      partition by list (region);
    create table app.events_north partition of app.events for values in ('north');
    select autoembed.watch('app.events', 'body')`,
  "vectors-apart": `
    create table app.letters (id bigint primary key, body varchar);
    create table app.letters_embeddings (
      id bigint primary key references app.letters on delete cascade on update cascade, embedding vector(8));
    select autoembed.watch('app.letters', 'body', vector_table => 'app.letters_embeddings')`,
  tenants: `
    create table app.visits (id bigint primary key, "The clinic" uuid, body text, embedding vector(8));
    select autoembed.watch('app.visits', 'body', tenant => 'The clinic')`,
} as const;
