--! Previous: -
--! Hash: sha1:b5d2c57b3e51b935b57a922a7de6e6a4233e77d7
--! Message: tables

-- What must not be lost is a row in one of these tables; everything else can be killed at any moment.

create extension if not exists vector;

-- Tickets are taken from one sequence for all sources, fresh at every enqueue. A ticket is both the order of the
-- claim and the guard of the write-back: a version that restarts at 1 is not safe when a row is dequeued and
-- queued again meanwhile.
create sequence public.embedding_ticket as bigint;

create table public.embedding_source (
  id integer generated always as identity primary key,
  name text not null unique check (name <> ''),
  watched_table regclass not null,
  key_columns text[] not null check (cardinality(key_columns) > 0),
  text_expression text not null,
  vector_column text not null,
  vector_table regclass,
  passages jsonb check (passages is null or vector_table is not null),
  backend text check (backend in ('llm_api', 'ollama', 'local')),
  model text,
  dimensions integer check (dimensions between 1 and 16000),
  settings jsonb not null default '{}',
  paused boolean not null default false,
  trouble text,
  created_at timestamptz not null default now()
);
comment on table public.embedding_source is 'One row a watched text: where it is, where its vector goes, who embeds it. Written by embed_watch().';
comment on column public.embedding_source.id is 'Names the trigger functions and triggers of this source.';
comment on column public.embedding_source.name is 'What commands and messages call this source.';
comment on column public.embedding_source.watched_table is 'The user''s table; follows a rename, and dangles when the table is dropped.';
comment on column public.embedding_source.key_columns is 'The columns, unique and not null together, that tell one row of the table from another.';
comment on column public.embedding_source.text_expression is 'SQL over the table''s columns that gives the text: a quoted column, or an expression.';
comment on column public.embedding_source.vector_column is 'The column that receives the vector.';
comment on column public.embedding_source.vector_table is 'The table that has that column, where the vectors are kept in a table of their own; null for the watched table itself.';
comment on column public.embedding_source.passages is 'How the text is cut into passages, as {chunk, overlap, unit}; null where it is embedded whole. The passages are rows of vector_table, which is watched by a source of its own.';
comment on column public.embedding_source.backend is 'Who embeds: llm_api, ollama or local; null follows EMBEDDING_BACKEND.';
comment on column public.embedding_source.model is 'The model; null follows the environment.';
comment on column public.embedding_source.dimensions is 'The length of the vectors; null follows the column''s type.';
comment on column public.embedding_source.settings is 'Provider settings of this source alone. Never a secret: keys come from the environment.';
comment on column public.embedding_source.paused is 'While true, changes are queued and nothing is embedded.';
comment on column public.embedding_source.trouble is 'Why nothing is embedded for this source, and what to do; null when all is well.';
comment on column public.embedding_source.created_at is 'When the table was first watched.';

create table public.embedding_queue (
  ticket bigint not null default nextval('public.embedding_ticket'),
  queued_at timestamptz not null default now(),
  not_before timestamptz not null default now(),
  failed_at timestamptz,
  source_id integer not null,
  owner integer,
  attempts smallint not null default 0,
  key text not null,
  last_error text,
  primary key (source_id, key)
) with (
  -- Room on the page keeps the claim's update HOT; the queue turns over, so it is vacuumed early and without delay.
  fillfactor = 70,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_cost_delay = 0
);
-- The claim walks this index from a cursor: 1.3 ms a batch, with a thousand or ten million rows pending. Failed
-- rows are not in it, so they are out of the claim's way.
create unique index embedding_queue_pending on public.embedding_queue (source_id, ticket) where failed_at is null;
comment on table public.embedding_queue is 'What is pending or failed, one row a (source, key): a hundred edits of one row are one job. No foreign key: it would lock the source''s row at every enqueue.';
comment on column public.embedding_queue.ticket is 'Fresh at every enqueue: the claim''s order, and the guard of the write-back.';
comment on column public.embedding_queue.queued_at is 'When the change that is pending was made (the start of its transaction).';
comment on column public.embedding_queue.not_before is 'The claim leaves the row alone until then: its row was locked by a user, or it is being retried.';
comment on column public.embedding_queue.failed_at is 'When the row was given up for a fault of its own; null while pending. A change of its text clears it.';
comment on column public.embedding_queue.source_id is 'embedding_source.id';
comment on column public.embedding_queue.owner is 'embedding_listener.id of the listener that claimed the row; null while it waits.';
comment on column public.embedding_queue.attempts is 'How often the row was refused for a fault of its own; an outage does not count.';
comment on column public.embedding_queue.key is 'The row''s key as text; a composite key as a JSON array of texts.';
comment on column public.embedding_queue.last_error is 'Why the row failed: the provider''s reason, never the text.';

create table public.embedding_cache (
  model text not null,
  text_hash bytea not null,
  embedding vector not null,
  created_at timestamptz not null default now(),
  primary key (model, text_hash)
)
-- A vector that fits its page stays on it: 140 us of Postgres a row written against 165 with four TOAST chunks and
-- their index (1536 dimensions). Longer ones go to TOAST as ever.
with (toast_tuple_target = 8160);
comment on table public.embedding_cache is 'Every vector that was paid for, by model and text, so that no text is paid for twice. Shared by all sources; holds no text.';
comment on column public.embedding_cache.model is 'backend/model@dimensions: vectors under one name may stand in for one another.';
comment on column public.embedding_cache.text_hash is 'sha256 of the exact text in UTF-8.';
comment on column public.embedding_cache.embedding is 'The model''s vector for that text.';
comment on column public.embedding_cache.created_at is 'When it was embedded; retention counts from here.';

-- Unlogged: after a crash of the server nobody's request is worth waiting for.
create unlogged table public.embedding_reservation (
  text_hash bytea not null,
  cache_model text not null,
  ticket bigint not null,
  owner integer not null,
  reserved_at timestamptz not null default now(),
  primary key (text_hash, cache_model)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
comment on table public.embedding_reservation is 'Which texts are being embedded now, so that two listeners do not pay for one. It holds for as long as its owner is listed; a vector in the cache outranks it.';
comment on column public.embedding_reservation.text_hash is 'sha256 of the text, as in embedding_cache.';
comment on column public.embedding_reservation.cache_model is 'embedding_cache.model';
comment on column public.embedding_reservation.ticket is 'embedding_queue.ticket of the row that was claimed for it: whoever drops a reservation drops this one, and not its successor.';
comment on column public.embedding_reservation.owner is 'embedding_listener.id of the listener that embeds it. No foreign key: it would cost more than the reservation.';
comment on column public.embedding_reservation.reserved_at is 'Since when; others look again the later, the longer it takes.';

create table public.embedding_listener (
  id integer generated always as identity primary key,
  seen_at timestamptz not null default now(),
  idle boolean not null default true,
  started_at timestamptz not null default now(),
  host text not null,
  pid integer not null,
  version text not null,
  state jsonb not null default '{}'
) with (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
comment on table public.embedding_listener is 'The listeners that are alive, by their heartbeat; claims of one that fell silent are taken over.';
comment on column public.embedding_listener.id is 'embedding_queue.owner of its claims.';
comment on column public.embedding_listener.seen_at is 'The last heartbeat, by the server''s clock alone.';
comment on column public.embedding_listener.idle is 'True when it may be asleep, so that a change must NOTIFY. False only while it keeps looking by itself.';
comment on column public.embedding_listener.started_at is 'When it started.';
comment on column public.embedding_listener.host is 'The machine it runs on.';
comment on column public.embedding_listener.pid is 'Its process on that machine.';
comment on column public.embedding_listener.version is 'The version of pg-autoembed it runs.';
comment on column public.embedding_listener.state is 'What it says of its providers (throttled, circuit open) and of itself.';

create table public.embedding_usage (
  source_id integer not null,
  day date not null default (now() at time zone 'utc')::date,
  embedded bigint not null default 0,
  cached bigint not null default 0,
  failed bigint not null default 0,
  truncated bigint not null default 0,
  requests bigint not null default 0,
  tokens bigint not null default 0,
  primary key (source_id, day)
) with (fillfactor = 50);
comment on table public.embedding_usage is 'What each source did and cost, a row a day (UTC).';
comment on column public.embedding_usage.source_id is 'embedding_source.id';
comment on column public.embedding_usage.day is 'The day in UTC.';
comment on column public.embedding_usage.embedded is 'Rows whose vector came from a provider.';
comment on column public.embedding_usage.cached is 'Rows whose vector came from the cache.';
comment on column public.embedding_usage.failed is 'Rows given up for a fault of their own.';
comment on column public.embedding_usage.truncated is 'Rows whose text was cut to the model''s limit.';
comment on column public.embedding_usage.requests is 'Requests sent to the provider.';
comment on column public.embedding_usage.tokens is 'Tokens the provider said it charged.';
