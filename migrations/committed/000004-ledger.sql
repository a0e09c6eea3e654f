--! Previous: sha1:66daa1f9b75fc96afc2ad77f9e3ecd5cff3875c1
--! Hash: sha1:fbe285869f956535f0511b70510aee158f8e0913
--! Message: ledger

-- Which text of each row was embedded, and by which model. It says exactly which vectors are outdated, and lets a row
-- that has a text lend its vector to another row that gets the same one: so that no vector is stored twice.

create table autoembed.embedding_model (
  id integer generated always as identity primary key,
  name text not null unique,
  created_at timestamptz not null default now()
);

comment on table autoembed.embedding_model is
  'The models that have made vectors, each with all that decides what its vectors are.';
comment on column autoembed.embedding_model.id is 'embedding_ledger.model_id';
comment on column autoembed.embedding_model.name is
  'backend/model@dimensions, the address that was asked, a hash of further settings, and halfvec where its vectors '
  'are stored in half precision: vectors under one name may stand in for one another.';
comment on column autoembed.embedding_model.created_at is 'When the first listener with these settings started.';

create table autoembed.embedding_ledger (
  source_id integer not null,
  model_id integer,
  embedded_at timestamptz not null default now(),
  text_hash bytea not null,
  vector_hash bytea,
  key text not null,
  primary key (source_id, key)
) with (fillfactor = 90);

-- Only what can be lent: a text that thousands of rows have is found at once, whatever else is known of it.
create index embedding_ledger_text on autoembed.embedding_ledger (text_hash, model_id) where vector_hash is not null;

comment on table autoembed.embedding_ledger is
  'One row per (source, key) with a vector: the text and the model that its vector was made of. Written in the same '
  'statement as the vector. No foreign key: it would lock the source''s row at every write.';
comment on column autoembed.embedding_ledger.source_id is 'embedding_source.id';
comment on column autoembed.embedding_ledger.model_id is
  'embedding_model.id; null where the vector was there before, made by another tool.';
comment on column autoembed.embedding_ledger.embedded_at is 'When the vector was written, or found.';
comment on column autoembed.embedding_ledger.text_hash is 'sha256 of the exact text in UTF-8.';
comment on column autoembed.embedding_ledger.vector_hash is
  'The first 8 bytes of the sha256 of the vector as it was written, in pgvector''s binary format: a vector that '
  'somebody overwrote is not lent to other rows. Null where it is not ours to lend.';
comment on column autoembed.embedding_ledger.key is 'As embedding_queue.key.';

-- The cache keeps only vectors that no row has any more. Whose they were is kept, so that deleting a row erases them.
alter table autoembed.embedding_cache add column source_id integer, add column key text;

create index embedding_cache_row on autoembed.embedding_cache (source_id, key) where source_id is not null;
create index embedding_cache_age on autoembed.embedding_cache (created_at);

comment on table autoembed.embedding_cache is
  'Vectors of texts that a row had before, or that could not be written yet, for EMBED_CACHE_DAYS: going back to a '
  'text is free. Holds no text.';
comment on column autoembed.embedding_cache.model is 'embedding_model.name';
comment on column autoembed.embedding_cache.created_at is 'When it was cached; retention counts from here.';
comment on column autoembed.embedding_cache.source_id is
  'embedding_source.id of the row that had the text; null in a row of before 0.2.';
comment on column autoembed.embedding_cache.key is 'The key of that row, as embedding_queue.key.';

-- Unlogged: what people search with is in no backup and on no replica.
create unlogged table autoembed.embedding_question (
  model text not null,
  text_hash bytea not null,
  embedding vector not null,
  asked_at timestamptz not null default now(),
  primary key (model, text_hash)
);

comment on table autoembed.embedding_question is
  'Vectors of questions that were searched with, for an hour. Holds no text, and is no cache for rows.';
comment on column autoembed.embedding_question.model is 'embedding_model.name, without the precision.';
comment on column autoembed.embedding_question.text_hash is 'sha256 of the question in UTF-8.';
comment on column autoembed.embedding_question.embedding is 'Its vector.';
comment on column autoembed.embedding_question.asked_at is 'When its vector was made; kept for an hour from then.';

alter table autoembed.embedding_source add column current_model integer;

comment on column autoembed.embedding_source.current_model is
  'embedding_model.id of the listener that began to embed it last: a row of another one is outdated.';

-- Its successor takes three more parameters.
drop function if exists autoembed.reserve_texts(text, bytea[], bigint[], integer);
