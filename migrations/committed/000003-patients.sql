--! Previous: sha1:6e52b4c73a7056728dca187eabefec4ca9051020
--! Hash: sha1:ceede35745afdbcde6ed3b3e77c4b95531c89fd8
--! Message: patients

-- The first watched table. No status column on it: with an HNSW index every update of a row, even of another
-- column, inserts into the graph again, so claims and retries live in embedding_queue.
create table if not exists public.patient_embeddings (
  patient_id bigint primary key,
  context_text text not null,
  embedding vector(:EMBEDDING_DIM)
) with (fillfactor = 70);
comment on table public.patient_embeddings is 'Clinical context by patient, and its embedding, which follows the text by itself.';
comment on column public.patient_embeddings.patient_id is 'The patient.';
comment on column public.patient_embeddings.context_text is 'What is known of the patient, as text: what is embedded.';
comment on column public.patient_embeddings.embedding is 'The vector of context_text; null until it is embedded, and while the text is blank.';

select autoembed.watch('public.patient_embeddings', 'context_text', source_name => 'patient_embeddings');
