import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { LostBatch, type Batch } from "./batch.ts";

interface Written {
  /** Lines of the output file that are done. */
  readonly read: number;
  /** Further texts that came back with a vector. */
  readonly embedded: number;
  /** Further rows that have it. */
  readonly rows: number;
}

/** Records how far the results are written. @throws {LostBatch} */
export async function recordWritten(
  db: Database,
  batch: Batch,
  owner: number,
  { read, embedded, rows }: Written,
): Promise<void> {
  const { numAffectedRows } = await sql`
    with done as (
      update autoembed.embedding_backfill f set done = f.done + ${rows}
      from autoembed.embedding_batch b where b.id = ${batch.id}::bigint and f.source_id = b.source_id and ${rows}::int > 0
    )
    update autoembed.embedding_batch b set lines_read = ${read},
      embedded = least(b.lines, b.embedded + ${embedded})
    where b.id = ${batch.id}::bigint and b.owner = ${owner}`.execute(db);
  if (numAffectedRows !== 1n) throw new LostBatch();
}
