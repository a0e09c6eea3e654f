-- The lesser role that `npm start` and `npm run backfill` need, once a greater one has migrated and watched.
--
--   psql "$DATABASE_URL" -v listener=autoembed_listener -f docs/grants.sql
--
-- Then, for each watched table, its key and text to be read and its vector to be written:
--
--   grant select on my_schema.my_table to autoembed_listener;
--   grant update (embedding) on my_schema.my_table to autoembed_listener;
--   grant usage on schema my_schema to autoembed_listener;
--
-- Where its vectors are in a table of their own (watch --into), these instead. To lock a row, Postgres asks for the right to
-- update some column of it; of the watched table the listener updates none:
--
--   grant select, update (id) on my_schema.my_table to autoembed_listener;
--   grant select, insert, update, delete on my_schema.my_table_embeddings to autoembed_listener;
--   grant usage on schema my_schema to autoembed_listener;
--
-- The same for a table of chunks (watch --into --chunk).
--
-- Where row-level security is on, it must see and update every row, and in a table of vectors insert and delete them:
--
--   create policy autoembed on my_schema.my_table to autoembed_listener using (true);
--
-- Application roles need nothing of ours: the triggers write the queue as the role that called autoembed.watch(). One that
-- calls autoembed.search() itself, and may read the table, needs: select autoembed.grant_search('my_role');
--
-- Both are done again by `npm run migrate`, for what a newer version needs besides.

select autoembed.grant_listener(quote_ident(:'listener')::regrole);
grant usage on schema public to :"listener";
grant select on public.patient_embeddings to :"listener";
grant update (embedding) on public.patient_embeddings to :"listener";
