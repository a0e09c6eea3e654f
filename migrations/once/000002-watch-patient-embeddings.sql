-- After the functions, whatever they are by then: a file of migrations/once is run once per database and not kept as it
-- was, since no other database needs the same from it.
do $$ begin
  perform autoembed.watch('public.patient_embeddings', 'context_text', source_name => 'patient_embeddings');
end $$;
