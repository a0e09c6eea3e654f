import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";

/** Looks which of these sources are paused and have rows pending; tells it once, until they are others. */
export function tellPaused(
  db: Database,
  sources: readonly Source[],
  onPaused: ((names: readonly string[]) => void) | undefined,
): () => Promise<void> {
  let told = "";
  return async () => {
    if (onPaused === undefined) return;
    const ids = sql`${sources.map(({ id }) => id)}::int[]`;
    const { rows } = await sql<{ name: string }>`
      select s.name from autoembed.embedding_source s
      where s.paused and s.id = any(${ids}) and exists (
        select from autoembed.embedding_queue q where q.source_id = s.id and q.failed_at is null)
      order by array_position(${ids}, s.id)`.execute(db);
    const names = rows.map(({ name }) => name);
    if (names.length > 0 && String(names) !== told) onPaused(names);
    told = String(names);
  };
}
