--! Previous: sha1:03b751d0817dd05cfb630f49124627159447d99b
--! Hash: sha1:fc1c399488ac3a3e7c661b0002707054b04ff4ba
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

select public.embed_watch('public.patient_embeddings', 'context_text', source_name => 'patient_embeddings');
