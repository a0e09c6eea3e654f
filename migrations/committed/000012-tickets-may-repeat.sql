--! Previous: sha1:8d6beedbca1f19cb2af5eeec9c7327546f9e7442
--! Hash: sha1:40a8b0165926460b689e5385c309f4574e5d1c12
--! Message: tickets may repeat

-- A sequence that was set back, as after a switch to a logical replica, gives tickets that are in the queue already.
-- The user's write must not fail for that; a listener that claims two rows of one ticket gives one of them a new one.
create index embedding_queue_due on autoembed.embedding_queue (source_id, ticket) where failed_at is null;
drop index autoembed.embedding_queue_pending;
alter index autoembed.embedding_queue_due rename to embedding_queue_pending;
