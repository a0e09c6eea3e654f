--! Previous: sha1:b1924d3ffca5a10fab884874d5b52bd61a313724
--! Hash: sha1:447d3b30e6aff25b2c5108acfe3f39526ed77d2b
--! Message: batches

-- A backfill may go through a provider's batch API: its pages are put into files, and belong to the batch, not to a
-- process, until the results are written.

create table autoembed.embedding_batch (
  id bigint generated always as identity primary key,
  source_id integer not null references autoembed.embedding_source on delete cascade,
  tag text not null unique,
  state text not null default 'filling'
    check (state in ('filling', 'uploaded', 'creating', 'submitted', 'reading', 'cleaning')),
  model_id integer not null,
  owner integer,
  not_before timestamptz not null default now(),
  attempts integer not null default 0,
  lines integer not null default 0,
  characters bigint not null default 0,
  lines_read integer not null default 0,
  refused integer not null default 0,
  embedded integer not null default 0,
  input_file text,
  provider_batch text,
  output_file text,
  error_file text,
  made_at timestamptz not null default now(),
  submitted_at timestamptz,
  expires_at timestamptz,
  problem text
);

-- One process at a time makes a batch of a source.
create unique index embedding_batch_making on autoembed.embedding_batch (source_id)
  where state in ('filling', 'uploaded', 'creating');
create index embedding_batch_source on autoembed.embedding_batch (source_id);

comment on table autoembed.embedding_batch is
  'Batches at a provider that are being made, embedded or written back. It has no text. A row is gone when its results '
  'are written and its files at the provider are deleted.';
comment on column autoembed.embedding_batch.id is 'In the order in which the batches were made.';
comment on column autoembed.embedding_batch.source_id is 'embedding_source.id';
comment on column autoembed.embedding_batch.tag is
  'A random name, which the input file and the batch have at the provider: by it they are found again after a crash.';
comment on column autoembed.embedding_batch.state is
  'filling: pages are put into a file. uploaded: the file is at the provider. creating: the batch was asked for. '
  'submitted: the provider embeds. reading: results are written. cleaning: the files are to be deleted.';
comment on column autoembed.embedding_batch.model_id is 'embedding_model.id of its vectors.';
comment on column autoembed.embedding_batch.owner is
  'embedding_listener.id of the listener that works on it; null where any may. Not of the batch at the provider.';
comment on column autoembed.embedding_batch.not_before is 'When it is looked at next.';
comment on column autoembed.embedding_batch.attempts is 'How often its last step has failed.';
comment on column autoembed.embedding_batch.lines is 'Texts in the file, one per line.';
comment on column autoembed.embedding_batch.characters is 'Characters of these texts.';
comment on column autoembed.embedding_batch.lines_read is 'Lines of the output file whose vectors are written.';
comment on column autoembed.embedding_batch.refused is 'Texts that the provider refused.';
comment on column autoembed.embedding_batch.embedded is 'Texts that came back with a vector.';
comment on column autoembed.embedding_batch.input_file is 'The id of the file at the provider.';
comment on column autoembed.embedding_batch.provider_batch is 'The id of the batch at the provider.';
comment on column autoembed.embedding_batch.output_file is 'The id of the file with its vectors.';
comment on column autoembed.embedding_batch.error_file is 'The id of the file with what was refused.';
comment on column autoembed.embedding_batch.made_at is 'When it was begun.';
comment on column autoembed.embedding_batch.submitted_at is 'When the provider took it.';
comment on column autoembed.embedding_batch.expires_at is 'When the provider gives up; null where it does not say.';
comment on column autoembed.embedding_batch.problem is 'Why its last step failed; never a text.';

alter table autoembed.embedding_backfill add column in_batches boolean not null default false;
comment on column autoembed.embedding_backfill.in_batches is
  'Its pages go through the provider''s batch API.';

alter table autoembed.embedding_page
  add column for_batch boolean not null default false,
  add column batch_id bigint references autoembed.embedding_batch on delete set null,
  add column batch_keys text[],
  add column batch_hashes bytea[],
  add column first_line integer,
  add column waits boolean not null default false,
  add column batch_attempts integer not null default 0;
create index embedding_page_hashes on autoembed.embedding_page using gin (batch_hashes)
  where batch_id is not null;
create index embedding_page_batch on autoembed.embedding_page (batch_id) where batch_id is not null;

comment on column autoembed.embedding_page.for_batch is
  'Its rows are to be embedded by a batch, and by no listener directly.';
comment on column autoembed.embedding_page.batch_id is
  'embedding_batch.id of the batch that its texts are in, which owns it then; null where they are in none.';
comment on column autoembed.embedding_page.batch_keys is 'The keys of the rows whose texts are in that batch.';
comment on column autoembed.embedding_page.batch_hashes is 'sha256 of these texts.';
comment on column autoembed.embedding_page.first_line is 'The line of the first of them in the file, from 0.';
comment on column autoembed.embedding_page.waits is
  'It has a text that another batch embeds: it is read once more when both have ended.';
comment on column autoembed.embedding_page.batch_attempts is
  'How many batches it was in that lost many of their texts.';
