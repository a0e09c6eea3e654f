import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";

/** Finds those of these sources that are paused and have pending rows, and reports them each time the list changes. */
export function reportPaused(
  db: Database,
  sources: readonly Source[],
  onPaused: ((names: readonly string[]) => void) | undefined,
): () => Promise<void> {
  let reported = "";
  return async () => {
    if (onPaused === undefined) return;
    const ids = sql`${sources.map(({ id }) => id)}::int[]`;
    const { rows } = await sql<{ name: string }>`
      select s.name from autoembed.embedding_source s
      where s.paused and s.id = any(${ids}) and exists (
        select from autoembed.embedding_queue q where q.source_id = s.id and q.failed_at is null)
      order by array_position(${ids}, s.id)`.execute(db);
    const names = rows.map(({ name }) => name);
    if (names.length > 0 && String(names) !== reported) onPaused(names);
    reported = String(names);
  };
}
