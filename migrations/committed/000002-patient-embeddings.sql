--! Previous: sha1:4e635cc4d6788dab603890840d2eee7436d75852
--! Hash: sha1:17ef603cdefa25e541d4cb579adb46863d29e9dd
--! Message: patient-embeddings

-- The first watched table; migrations/once watches it, when the functions are there. No status column on it: with an
-- HNSW index every update of a row, even of another column, inserts into the graph again, so claims and retries live in
-- autoembed.embedding_queue.

-- A table that exists already is used, if it belongs to a role that is trusted anyway: the trigger functions, which run
-- with our rights, evaluate the types of its key. Where 0.1 watched it, that trust is an old one.
do $$ begin
  if not (
    select r.rolsuper or r.rolname = current_user or r.oid = d.datdba
      or (not u.rolsuper and pg_has_role(r.oid, 'member'))
    from pg_class c join pg_roles r on r.oid = c.relowner, pg_roles u, pg_database d
    where u.rolname = current_user and d.datname = current_database()
      and c.oid = coalesce(to_regclass('public.embedding_source'), to_regclass('public.patient_embeddings')))
  then
    raise exception 'the table public.patient_embeddings belongs to another role'
      using hint = 'Rename that table, or migrate as its owner.';
  end if;
end $$;

create table if not exists public.patient_embeddings (
  patient_id bigint primary key,
  context_text text not null,
  embedding vector(:EMBEDDING_DIM)
) with (fillfactor = 70);
comment on table public.patient_embeddings is
  'Clinical context by patient, and its embedding, which follows the text automatically.';
comment on column public.patient_embeddings.patient_id is 'The patient.';
comment on column public.patient_embeddings.context_text is
  'What is known of the patient, as text: what is embedded.';
comment on column public.patient_embeddings.embedding is
  'The vector of context_text; null until it is embedded, and while the text is blank.';
