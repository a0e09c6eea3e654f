--! Previous: sha1:447d3b30e6aff25b2c5108acfe3f39526ed77d2b
--! Hash: sha1:589086d46b08e0b73cad50b995ad9519e21df7b4
--! Message: spending

-- What was paid for, by model and by what it was for: the questions of searches and the reranker count too, and several
-- models with different prices add up to one amount. `embedding_usage` is about the rows of a source alone.
create table autoembed.embedding_spending (
  day date not null default (now() at time zone 'utc')::date,
  source_id integer not null,
  model text not null,
  purpose text not null
    check (purpose in ('question', 'change', 'retry', 'backfill', 'model change', 'rerank')),
  requests bigint not null default 0,
  tokens bigint not null default 0,
  unpriced_tokens bigint not null default 0,
  cost double precision not null default 0,
  primary key (day, source_id, model, purpose)
) with (fillfactor = 50);

comment on table autoembed.embedding_spending is
  'What requests cost, one row per day (UTC), source, model and purpose. No foreign key: what was paid stays paid.';
comment on column autoembed.embedding_spending.day is 'The day in UTC.';
comment on column autoembed.embedding_spending.source_id is 'embedding_source.id; the source may be gone.';
comment on column autoembed.embedding_spending.model is 'The backend and the model that were asked.';
comment on column autoembed.embedding_spending.purpose is
  'What the request was for: a question of a search, a changed row, a changed row once more after an error, a '
  'backfill, a change of the model, or the reranker.';
comment on column autoembed.embedding_spending.requests is 'Requests that were answered.';
comment on column autoembed.embedding_spending.tokens is
  'Tokens that the provider said it charged, or an estimate where it reports none.';
comment on column autoembed.embedding_spending.unpriced_tokens is
  'Of these, the tokens whose price was not known: they are not in cost.';
comment on column autoembed.embedding_spending.cost is
  'By the price that the process knew when it was answered: in US dollars if it was a list price, else in the '
  'currency of the setting.';

-- Limits of a backfill, which any listener keeps to, also when the command that set them has ended.
alter table autoembed.embedding_backfill
  add column spends_at_most double precision,
  add column spent double precision not null default 0,
  add column finish_by timestamptz,
  add column paced_from timestamptz,
  add column paced_done bigint,
  add column paced_rows bigint;
comment on column autoembed.embedding_backfill.spends_at_most is
  'The money after which no more of it is embedded (backfill --spend); null without a limit.';
comment on column autoembed.embedding_backfill.spent is 'What it has cost since the limit was set.';
comment on column autoembed.embedding_backfill.finish_by is
  'When it is to be done (backfill --by): pages are taken no faster than that needs, with a reserve; null without.';
comment on column autoembed.embedding_backfill.paced_from is 'When finish_by was set.';
comment on column autoembed.embedding_backfill.paced_done is 'What done was then.';
comment on column autoembed.embedding_backfill.paced_rows is 'Rows that were left then, as estimated.';
