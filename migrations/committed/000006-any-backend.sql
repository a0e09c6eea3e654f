--! Previous: sha1:5639bbde231705dd2c4f05b8c82c668e1fd6c3f9
--! Hash: sha1:73ed1812cb73d55bd262cc888de0b649e622c08a
--! Message: any-backend

-- A provider is a file and an entry in a list of the program: the names that it knows are not for the table to say.
alter table autoembed.embedding_source drop constraint if exists embedding_source_backend_check;
alter table autoembed.embedding_source add constraint embedding_source_backend_check check (backend <> '');

comment on column autoembed.embedding_source.backend is
  'As EMBEDDING_BACKEND, for this source; null follows the environment. A listener says which names it knows.';
