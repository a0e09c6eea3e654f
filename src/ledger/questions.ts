import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { vectorName, type Pgvector } from "../database/pgvector.ts";
import type { VectorArray } from "../database/vector-array.ts";

/*
 * What people search with is kept apart from the vectors of rows, and for an hour: so that asking again is free.
 */
const KEPT = sql.raw("interval '1 hour'");

/** @param hash sha256 of the question, in hex. */
export async function findQuestion(
  db: Database,
  fingerprint: string,
  hash: string,
): Promise<Float32Array | undefined> {
  const { rows } = await sql<{ embedding: string }>`
    select q.embedding::text from autoembed.embedding_question q
    where q.model = ${fingerprint} and q.text_hash = decode(${hash}, 'hex') and q.asked_at > now() - ${KEPT}`.execute(
    db,
  );
  const [found] = rows;
  return found && Float32Array.from(JSON.parse(found.embedding) as number[]);
}

/** @param vectors of one question. */
export async function keepQuestion(
  db: Database,
  fingerprint: string,
  hash: string,
  vectors: VectorArray,
  { schema, vectorOid }: Pgvector,
): Promise<void> {
  await sql`
    insert into autoembed.embedding_question (model, text_hash, embedding)
    select ${fingerprint}, decode(${hash}, 'hex'),
      (${vectors.toParameter(vectorOid)}::${vectorName(schema, "vector")}[])[1]
    on conflict (model, text_hash) do update set embedding = excluded.embedding, asked_at = now()`.execute(
    db,
  );
}

export async function pruneQuestions(db: Database): Promise<void> {
  await sql`delete from autoembed.embedding_question where asked_at <= now() - ${KEPT}`.execute(db);
}
