--! Previous: sha1:497cc06cc990841ce624a4d2273d888387ffe1b3
--! Hash: sha1:4e1ce061d8466ab300b395455fb276a7bf205a9d
--! Message: key-types

-- The same key may be written in another way once its type was altered, as 6 and 6.00: what is kept under keys is found
-- by how they are written. Null where that is not known yet: then all keys are looked at once.
alter table autoembed.embedding_source add column key_types text[];
comment on column autoembed.embedding_source.key_types is
  'Of each column of the key what decides how a value is written, as autoembed.key_types() has it: as it was when the '
  'kept keys were last known to be written as the table''s rows have them.';
