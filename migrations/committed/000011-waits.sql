--! Previous: sha1:c81c5c126e8355362084f2a2981fdbc1c98692d2
--! Hash: sha1:8d6beedbca1f19cb2af5eeec9c7327546f9e7442
--! Message: waits

-- How long changed rows waited for their vectors, by day: written with the other counters, in the same
-- statement. The counts of all listeners add up.
alter table autoembed.embedding_usage add column waits bigint[] not null default '{}';
comment on column autoembed.embedding_usage.waits is
  'Changed rows by how long they waited for their vector: the first number counts waits of up to 50 ms, each '
  'further one waits of up to twice as long.';
