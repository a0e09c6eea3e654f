--! Previous: sha1:4e1ce061d8466ab300b395455fb276a7bf205a9d
--! Hash: sha1:2b2aca8e9e6bd0d995d2eb5c39e578d2075110c4
--! Message: first-tickets

-- A row that is deleted, and another that is inserted under its key, have one queue row after the other: what the
-- provider still makes of the former text must not be cached for the new row.
alter table autoembed.embedding_queue add column first_ticket bigint;
comment on column autoembed.embedding_queue.first_ticket is
  'The ticket that the queue row had at first, since when its key has been of one row; null where it still has '
  'that one.';
