--! Previous: sha1:589086d46b08e0b73cad50b995ad9519e21df7b4
--! Hash: sha1:625211f166f5539deba3868533165358c0052e93
--! Message: waits

-- How long changed rows waited for their vectors, by day: written with the other counters, in the same
-- statement. The counts of all listeners add up.
alter table autoembed.embedding_usage add column waits bigint[] not null default '{}';
comment on column autoembed.embedding_usage.waits is
  'Changed rows by how long they waited for their vector: the first number counts waits of up to 50 ms, each '
  'further one waits of up to twice as long.';
