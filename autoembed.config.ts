import { defineConfig } from "pg-autoembed";

export default defineConfig({
  sources: [
    {
      table: "public.patient_embeddings",
      text: "context_text",
    },
    {
      table: "public.tickets",
      text: "body",
    },
    {
      table: "\"Support\".\"Calls\"",
      text: "Said",
    },
    {
      table: "public.people",
      text: "full_name",
    },
    {
      table: "public.posts",
      text: "title || ' ' || coalesce(body, '')",
      name: "blog posts",
    },
    {
      table: "public.notes",
      text: "note",
      vector: "note_vector",
      type: "halfvec",
    },
    {
      table: "public.events",
      text: "what",
      index: true,
    },
    {
      table: "public.replies",
      text: "body",
    },
    {
      table: "public.documents",
      text: "body",
      into: "public.documents_chunks",
      chunk: 800,
      overlap: 100,
      unit: "characters",
    },
  ],
});
