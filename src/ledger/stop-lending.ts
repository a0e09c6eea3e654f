import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";

/** So few that no user's delete waits for them noticeably. */
const ROWS = 2_000;

interface Place {
  readonly source_id: number;
  readonly key: string;
}

/**
 * Takes back from lending, and from the cache, every vector that a text of these sources could get without being embedded:
 * those of their models. They stay in their rows until they are replaced. A page at a time; what a user or a listener has
 * locked is being changed, and is skipped.
 */
export async function stopLending(db: Database, sources: readonly Pick<Source, "id">[]): Promise<void> {
  const ids = sql`${sources.map(({ id }) => id)}::int[]`;
  // Vectors of full precision stand in for those of half precision too; in 0.1 the cache named the model alone.
  const names = sql`
    select unnest(array[m.name, regexp_replace(m.name, ' halfvec$', ''), split_part(m.name, ' ', 1)])
    from autoembed.embedding_source s join autoembed.embedding_model m on m.id = s.current_model where s.id = any(${ids})`;
  for (let after: Place | undefined = { source_id: 0, key: "" }; after !== undefined;) {
    const from: Place = after;
    const { rows } = await sql<Place>`
      with page as materialized (
        select l.source_id, l.key from autoembed.embedding_ledger l
        where (l.source_id, l.key) > (${from.source_id}::int, ${from.key}::text)
        order by l.source_id, l.key limit ${ROWS}
      ), unlocked as materialized (
        select l.source_id, l.key from autoembed.embedding_ledger l join page p on p.source_id = l.source_id and p.key = l.key
        where l.vector_hash is not null
          and l.model_id in (select m.id from autoembed.embedding_model m where m.name in (${names}))
        order by l.source_id, l.key for update of l skip locked
      ), taken_back as (
        update autoembed.embedding_ledger l set vector_hash = null from unlocked u
        where l.source_id = u.source_id and l.key = u.key
      )
      select source_id, key from page order by source_id desc, key desc limit 1`.execute(db);
    after = rows[0];
  }
  for (let removed = ROWS; removed === ROWS;) {
    const { rows } = await sql<{ removed: number }>`
      with removed as (
        delete from autoembed.embedding_cache where ctid = any(array(
          select ctid from autoembed.embedding_cache where model in (${names}) limit ${ROWS} for update skip locked))
        returning 1)
      select count(*)::int as removed from removed`.execute(db);
    removed = rows[0]?.removed ?? 0;
  }
}
