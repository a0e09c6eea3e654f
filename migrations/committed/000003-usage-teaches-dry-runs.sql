--! Previous: sha1:17ef603cdefa25e541d4cb579adb46863d29e9dd
--! Hash: sha1:66daa1f9b75fc96afc2ad77f9e3ecd5cff3875c1
--! Message: usage-teaches-dry-runs

-- A dry run sends nothing, so it estimates from what earlier answers have shown: how many tokens the provider charges
-- for a character of this source, and how long it takes per text. These are columns of their own, since `tokens` and
-- `requests` count more: the days before this migration, answers that report no tokens, requests of a single text.
alter table autoembed.embedding_usage
  -- Null until a provider has answered.
  add column model text,
  add column characters bigint not null default 0,
  add column counted_tokens bigint not null default 0,
  add column timed_texts bigint not null default 0,
  add column request_ms bigint not null default 0;
comment on column autoembed.embedding_usage.model is
  'The backend and model that characters, counted_tokens, timed_texts and request_ms are about. They begin at 0 again '
  'when another model answers.';
comment on column autoembed.embedding_usage.characters is
  'Characters of the texts that were sent in requests whose answers reported tokens.';
comment on column autoembed.embedding_usage.counted_tokens is
  'The tokens that the answers to these characters reported: dry runs estimate by characters / counted_tokens.';
comment on column autoembed.embedding_usage.timed_texts is
  'Texts that were sent in full requests. A request of few texts takes about as long, so its time shows no pace.';
comment on column autoembed.embedding_usage.request_ms is
  'Milliseconds that the full requests took: dry runs estimate by request_ms / timed_texts.';
