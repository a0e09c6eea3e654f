import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";

/**
 * Takes back from lending, and from the cache, every vector that a text of these sources could get without being embedded:
 * those of their models. They stay in their rows until they are replaced.
 */
export async function stopLending(db: Database, sources: readonly Pick<Source, "id">[]): Promise<void> {
  const ids = sql`${sources.map(({ id }) => id)}::int[]`;
  // Vectors of full precision stand in for those of half precision too; in 0.1 the cache named the model alone.
  const names = sql`
    select unnest(array[m.name, regexp_replace(m.name, ' halfvec$', ''), split_part(m.name, ' ', 1)])
    from autoembed.embedding_source s join autoembed.embedding_model m on m.id = s.current_model where s.id = any(${ids})`;
  await sql`
    update autoembed.embedding_ledger l set vector_hash = null
    where l.vector_hash is not null
      and l.model_id in (select m.id from autoembed.embedding_model m where m.name in (${names}))`.execute(
    db,
  );
  await sql`delete from autoembed.embedding_cache where model in (${names})`.execute(db);
}
