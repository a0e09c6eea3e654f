--! Previous: sha1:fbe285869f956535f0511b70510aee158f8e0913
--! Hash: sha1:5639bbde231705dd2c4f05b8c82c668e1fd6c3f9
--! Message: backfill by ranges

-- A backfill reads its table in key order, a page of rows at a time, instead of queueing every row: its state is a
-- cursor and one row per page that is being embedded, however large the table is.

create table autoembed.embedding_backfill (
  source_id integer primary key references autoembed.embedding_source on delete cascade,
  started_at timestamptz not null default now(),
  is_all boolean not null,
  key_columns text[] not null,
  position text[],
  is_read boolean not null default false,
  reads_again boolean not null default false,
  done bigint not null default 0
);

comment on table autoembed.embedding_backfill is
  'The backfills under way, one per source. Any listener takes part; a row is gone when its backfill has ended.';
comment on column autoembed.embedding_backfill.source_id is 'embedding_source.id';
comment on column autoembed.embedding_backfill.started_at is
  'When it was asked for. One of all rows leaves alone what was embedded since.';
comment on column autoembed.embedding_backfill.is_all is 'Every row is embedded again, also if its vector is current.';
comment on column autoembed.embedding_backfill.key_columns is
  'The name and the type of each column of the key that position is of: with another key it is read from the start.';
comment on column autoembed.embedding_backfill.position is
  'The key of the last row that a page has been made of, column by column; null before the first.';
comment on column autoembed.embedding_backfill.is_read is 'Pages have been made of the whole table.';
comment on column autoembed.embedding_backfill.reads_again is
  'It was asked for once more meanwhile: when the whole table is read, it is read again.';
comment on column autoembed.embedding_backfill.done is
  'Rows that the pages embedded, emptied or failed that have ended.';

create table autoembed.embedding_page (
  id bigint generated always as identity primary key,
  source_id integer not null references autoembed.embedding_backfill on delete cascade,
  after text[],
  upto text[] not null,
  owner integer,
  not_before timestamptz not null default now(),
  attempts integer not null default 0
) with (fillfactor = 50);

create index embedding_page_source on autoembed.embedding_page (source_id);

comment on table autoembed.embedding_page is
  'The pages of backfills that are being embedded: ranges of keys. A row is gone when every row in its range has a '
  'current vector or has failed.';
comment on column autoembed.embedding_page.id is 'In the order in which the pages were made.';
comment on column autoembed.embedding_page.source_id is 'embedding_backfill.source_id';
comment on column autoembed.embedding_page.after is
  'The key before its first row, column by column; null where it begins with the first.';
comment on column autoembed.embedding_page.upto is 'The key of its last row.';
comment on column autoembed.embedding_page.owner is
  'embedding_listener.id of the listener that embeds it; null where any may take it.';
comment on column autoembed.embedding_page.not_before is
  'When it may be taken: rows of it were locked, or their text was being embedded elsewhere.';
comment on column autoembed.embedding_page.attempts is 'How often it was given back.';
