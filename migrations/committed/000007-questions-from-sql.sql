--! Previous: sha1:73ed1812cb73d55bd262cc888de0b649e622c08a
--! Hash: sha1:b1924d3ffca5a10fab884874d5b52bd61a313724
--! Message: questions from sql

-- Questions that are asked by SQL wait here for a listener to embed them. Unlogged, as their vectors are: no backup and
-- no replica has what people search with.
create unlogged table autoembed.embedding_asked (
  source_id integer not null references autoembed.embedding_source on delete cascade,
  text_hash bytea not null,
  question text,
  owner integer,
  failure text,
  asked_at timestamptz not null default now(),
  primary key (source_id, text_hash)
);

comment on table autoembed.embedding_asked is
  'Questions of autoembed.ask() that wait for their vector. A row is gone when it is answered, or a minute after the '
  'last who waited for it. For the owner of this table and the listeners alone.';
comment on column autoembed.embedding_asked.source_id is
  'embedding_source.id of the vectors that it is compared with; of a text in chunks, the source of the chunks.';
comment on column autoembed.embedding_asked.text_hash is 'sha256 of the question in UTF-8.';
comment on column autoembed.embedding_asked.question is 'The question; null when it failed, or nobody waits any more.';
comment on column autoembed.embedding_asked.owner is
  'embedding_listener.id of the listener that embeds it; null where any may take it.';
comment on column autoembed.embedding_asked.failure is
  'Why it has no vector: refused, too_long, setup or unavailable; null while it may get one.';
comment on column autoembed.embedding_asked.asked_at is
  'When it was asked, or last asked for again: who waits does so every second.';

alter table autoembed.embedding_source add column question_model text;

comment on column autoembed.embedding_source.question_model is
  'embedding_question.model of the listener that began to embed this source last, or answered the last question of '
  'autoembed.ask(): which questions it has vectors for.';
