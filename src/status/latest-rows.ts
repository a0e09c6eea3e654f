import { sql } from "kysely";
import type { Database } from "../database/connect.ts";

export interface EmbeddedRow {
  readonly key: string;
  /** Seconds since its vector was written. */
  readonly age_seconds: number;
}

/** A ledger has no index by time: in a larger one, the latest rows are not looked for. */
const LARGEST_LEDGER = 2_000_000;

/** The rows of a source that were embedded last, the latest first; undefined if the ledger is too large to look for them. */
export async function latestRows(
  db: Database,
  sourceId: number,
  most: number,
): Promise<EmbeddedRow[] | undefined> {
  const { rows: sizes } = await sql<{ rows: number }>`
    select reltuples::float8 as rows from pg_class where oid = 'autoembed.embedding_ledger'::regclass`.execute(
    db,
  );
  if ((sizes[0]?.rows ?? 0) > LARGEST_LEDGER) return undefined;
  const { rows } = await sql<EmbeddedRow>`
    select l.key, greatest(0, extract(epoch from now() - l.embedded_at))::float8 as age_seconds
    from autoembed.embedding_ledger l where l.source_id = ${sourceId}
    order by l.embedded_at desc, l.key limit ${most}`.execute(db);
  return rows;
}
