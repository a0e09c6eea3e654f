import { oracleVector } from "../support/oracle-vector.ts";
import { DIMENSIONS } from "../support/listening.ts";

/*
 * Databases in the shapes that other tools give them: the tables, columns and triggers that their documentation shows. Of
 * pgmq and pg_cron there are the tables and functions that these tools use.
 */

/** The vector that the provider of the tests makes of a text, as SQL. */
export function vectorOf(text: string): string {
  return `'[${oracleVector(text, DIMENSIONS).join(",")}]'`;
}

const TEXTS = Array.from({ length: 12 }, (_, i) => `text number ${i + 1}`);

/** Rows as SQL: `(1, 'text number 1', '[…]'), …` */
function rowsOf(texts: readonly string[] = TEXTS, sent = (text: string): string => text): string {
  return texts.map((text, i) => `(${i + 1}, '${text}', ${vectorOf(sent(text))})`).join(", ");
}

const PGMQ = `
  drop schema if exists pgmq cascade; create schema pgmq;
  create function pgmq.archive(queue_name text, msg_ids bigint[]) returns setof bigint language plpgsql as $$
  begin
    return query execute format('with gone as (delete from pgmq.%I where msg_id = any($1) returning *)
      insert into pgmq.%I select * from gone returning msg_id', 'q_' || queue_name, 'a_' || queue_name) using msg_ids;
  end $$;`;

const queueOf = (name: string): string => `
  create table pgmq.q_${name} (msg_id bigint generated always as identity primary key, message jsonb, vt timestamptz not null default now());
  create table pgmq.a_${name} (msg_id bigint primary key, message jsonb, vt timestamptz);`;

const CRON = `
  drop schema if exists cron cascade; create schema cron;
  create table cron.job (jobid bigint primary key, command text, active boolean not null default true);
  create function cron.alter_job(job_id bigint, active boolean) returns void language sql as
    $$ update cron.job j set active = $2 where j.jobid = $1 $$;`;

/** Supabase's automatic embeddings on `shop.docs`; row 3 waits in its queue with an old vector, and is cleared when it changes. */
export const SUPABASE = `
  ${PGMQ} ${queueOf("embedding_jobs")}
  drop schema if exists util cascade; create schema util;
  create function util.queue_embeddings() returns trigger language plpgsql as $$
  begin
    insert into pgmq.q_embedding_jobs (message) values (jsonb_build_object('id', new.id, 'schema', tg_table_schema,
      'table', tg_table_name, 'contentFunction', tg_argv[0], 'embeddingColumn', tg_argv[1]));
    return new;
  end $$;
  create function util.clear_column() returns trigger language plpgsql as $$
  begin new.embedding := null; return new; end $$;
  create table shop.docs (id bigint primary key, title text, content text, embedding halfvec(${DIMENSIONS}));
  create function shop.embedding_input(doc shop.docs) returns text language plpgsql immutable as $$
  begin
    return '# ' || doc.title || E'\\n\\n' || doc.content;
  end;
  $$;
  insert into shop.docs select n, 'title', t, e::halfvec from (values ${rowsOf(TEXTS, (text) => `# title\n\n${text}`)}) v(n, t, e);
  create trigger embed_docs_on_insert after insert on shop.docs for each row
    execute function util.queue_embeddings('embedding_input', 'embedding');
  create trigger embed_docs_on_update after update of title, content on shop.docs for each row
    execute function util.queue_embeddings('embedding_input', 'embedding');
  create trigger clear_docs_embedding_on_update before update of title, content on shop.docs for each row
    execute function util.clear_column('embedding');
  alter table shop.docs disable trigger clear_docs_embedding_on_update;
  update shop.docs set content = 'changed before' where id = 3;
  alter table shop.docs enable trigger clear_docs_embedding_on_update;
  insert into pgmq.q_embedding_jobs (message) values ('{"id": 1, "schema": "shop", "table": "other", "embeddingColumn": "embedding"}');`;

const PGAI_CATALOGUE = `
  drop schema if exists ai cascade; create schema ai;
  create table ai.vectorizer (id int primary key, name text, source_schema name, source_table name, source_pk jsonb,
    trigger_name name, queue_schema name, queue_table name, config jsonb, disabled boolean not null default false,
    queue_failed_table name);
  create table ai._vectorizer_q_1 (id bigint not null, queued_at timestamptz not null default now());
  create function ai._vectorizer_src_trg_1() returns trigger language plpgsql as $$
  begin
    insert into ai._vectorizer_q_1 (id) values (coalesce(new.id, old.id));
    return null;
  end $$;`;

interface PgaiShape {
  readonly chunking: object;
  readonly destination: object;
  readonly template?: string;
}

function pgai({ chunking, destination, template = "$chunk" }: PgaiShape): string {
  const config = {
    loading: { implementation: "column", column_name: "body" },
    embedding: { implementation: "openai", model: "text-embedding-3-small" },
    chunking,
    destination,
    formatting: { implementation: "python_template", template },
  };
  return `${PGAI_CATALOGUE}
  insert into ai.vectorizer values (1, 'shop_docs', 'shop', 'docs', '[{"attname": "id", "pknum": 1}]',
    '_vectorizer_src_trg_1', 'ai', '_vectorizer_q_1', '${JSON.stringify(config)}');
  create trigger _vectorizer_src_trg_1 after insert or update or delete on shop.docs
    for each row execute function ai._vectorizer_src_trg_1();
  comment on trigger _vectorizer_src_trg_1 on shop.docs is 'of pgai';
  update shop.docs set body = 'changed before' where id = 3;`;
}

export const PGAI_COLUMN = `
  create table shop.docs (id bigint primary key, body text, embedding vector(${DIMENSIONS}));
  insert into shop.docs values ${rowsOf()};
  ${pgai({ chunking: { implementation: "none" }, destination: { implementation: "column", embedding_column: "embedding" } })}`;

const STORE = `
  create table shop.docs_store (embedding_uuid uuid primary key default gen_random_uuid(), id bigint not null,
    chunk_seq int not null, chunk text not null, embedding vector(${DIMENSIONS}) not null, unique (id, chunk_seq));`;

const INTO_STORE = { implementation: "table", target_schema: "shop", target_table: "docs_store" };

/** One vector per row in pgai's own table, of a text in a template. */
export const PGAI_STORE = `
  create table shop.docs (id bigint primary key, title text, body text); ${STORE}
  insert into shop.docs select n, 'it''s', t from (values ${rowsOf()}) v(n, t, e);
  insert into shop.docs_store (id, chunk_seq, chunk, embedding)
    select n, 0, 'it''s: ' || t, e::vector from (values ${rowsOf(undefined, (text) => `it's: ${text}`)}) v(n, t, e);
  ${pgai({ chunking: { implementation: "none" }, destination: INTO_STORE, template: "$title: ${chunk}" })}`;

/** Chunks: eleven texts of one chunk, and one that pgai has cut in two. */
export const PGAI_CHUNKS = `
  create table shop.docs (id bigint primary key, body text); ${STORE}
  insert into shop.docs select n, t from (values ${rowsOf()}) v(n, t, e);
  insert into shop.docs_store (id, chunk_seq, chunk, embedding)
    select n, 0, t, e::vector from (values ${rowsOf()}) v(n, t, e) where n <> 12;
  insert into shop.docs_store (id, chunk_seq, chunk, embedding)
    values (12, 0, 'text', ${vectorOf("text")}), (12, 1, 'number 12', ${vectorOf("number 12")});
  ${pgai({ chunking: { implementation: "recursive_character_text_splitter", chunk_size: 100 }, destination: INTO_STORE })}`;

/** A job of pg_vectorize that runs by a trigger (`join`) or by the clock (`append`). */
export function pgVectorize(method: "join" | "append"): string {
  const column =
    method === "append" ? `, docs_embeddings vector(${DIMENSIONS}), docs_updated_at timestamptz` : "";
  const params = {
    schema: "shop",
    table_name: "docs",
    columns: ["title", "body"],
    primary_key: "id",
    table_method: method,
  };
  return `
  ${PGMQ} ${queueOf("vectorize_jobs")} ${CRON}
  drop schema if exists vectorize cascade; create schema vectorize;
  create table vectorize.job (name text primary key, transformer text, params jsonb);
  insert into vectorize.job values ('docs', 'openai/text-embedding-3-small', '${JSON.stringify({ ...params, ...(method === "append" ? { update_time_col: "updated" } : {}) })}');
  create table shop.docs (id bigint primary key, title text, body text, updated timestamp default '2025-01-01'${column});
  insert into shop.docs (id, title, body) select n, 'title', t from (values ${rowsOf()}) v(n, t, e);
  ${
    method === "append"
      ? `update shop.docs set docs_embeddings = e::vector, docs_updated_at = '2025-02-02'
           from (values ${rowsOf(undefined, (text) => `title ${text}`)}) v(n, t, e) where n = id;
         insert into cron.job values (7, $$select vectorize.job_execute('docs')$$);
         update shop.docs set body = 'changed before', updated = '2025-03-03' where id = 3;`
      : `create table vectorize._embeddings_docs (id bigint unique not null, embeddings vector(${DIMENSIONS}) not null,
           updated_at timestamptz not null default now(), foreign key (id) references shop.docs (id) on delete cascade);
         insert into vectorize._embeddings_docs select n, e::vector from (values ${rowsOf(undefined, (text) => `title ${text}`)}) v(n, t, e);
         create function vectorize.handle_update_docs() returns trigger language plpgsql as $$
         begin
           insert into pgmq.q_vectorize_jobs (message) select jsonb_build_object('job_name', 'docs', 'record_ids', array_agg(id::text)) from new_table;
           return null;
         end $$;
         create trigger vectorize_update_trigger_docs after update on shop.docs referencing new table as new_table
           for each statement execute function vectorize.handle_update_docs();
         update shop.docs set body = 'changed before' where id = 3;`
  }`;
}

export const LANGCHAIN = `
  create table shop.langchain_pg_collection (uuid uuid primary key, name text);
  create table shop.langchain_pg_embedding (id varchar primary key, collection_id uuid, embedding vector, document text, cmetadata jsonb);
  insert into shop.langchain_pg_embedding (id, document, embedding) select n::text, t, e::vector from (values ${rowsOf()}) v(n, t, e);`;

/** A script's column; of every other row the vector is of another model. */
export const SCRIPT = `
  create table shop.docs (id bigint primary key, body text, embedding vector(${DIMENSIONS}), model text not null default 'right');
  insert into shop.docs values ${rowsOf()};
  insert into shop.docs values (13, 'no vector yet'), (14, null);`;
