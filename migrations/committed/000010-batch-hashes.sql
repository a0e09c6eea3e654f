--! Previous: sha1:589086d46b08e0b73cad50b995ad9519e21df7b4
--! Hash: sha1:c81c5c126e8355362084f2a2981fdbc1c98692d2
--! Message: batch-hashes

-- The texts of a page are looked for in the batches under way. The statistics of `embedding_page` say nothing of how
-- much its hashes are, so an index with the same condition was chosen in place of this one, and all hashes were
-- compared one by one.
drop index autoembed.embedding_page_hashes;
create index embedding_page_hashes on autoembed.embedding_page
  using gin (batch_hashes) with (fastupdate = off);
