import { sql } from "kysely";
import type { Database } from "../database/connect.ts";

/** The batches of a source, for people. */
export interface SourceBatches {
  /** That are being made: a file is put together, or waits to be taken. */
  readonly making: number;
  /** That the provider has. */
  readonly submitted: number;
  /** Whose vectors are being written. */
  readonly reading: number;
  /** In all of these. */
  readonly texts: number;
  /** When the first of those that the provider has expires, as text; null where it does not say. */
  readonly expires_at: string | null;
  /** Why a step of one has failed, which is tried again; never a text. */
  readonly problem: string | null;
}

/** The batches of each source that has some. One whose files alone are left is not counted. */
export async function readBatches(db: Database): Promise<ReadonlyMap<number, SourceBatches>> {
  const { rows } = await sql<SourceBatches & { source_id: number }>`
    select source_id, (count(*) filter (where state in ('filling', 'uploaded', 'creating')))::int as making,
      (count(*) filter (where state = 'submitted'))::int as submitted,
      (count(*) filter (where state = 'reading'))::int as reading,
      sum(lines)::float8 as texts, min(expires_at) filter (where state = 'submitted')::text as expires_at,
      max(problem) as problem
    from autoembed.embedding_batch where state <> 'cleaning' group by source_id`.execute(db);
  return new Map(rows.map(({ source_id, ...batches }) => [source_id, batches]));
}

/** In one line: `2 batches at the provider (100000 texts), 1 being made`. */
export function describeBatches({
  making,
  submitted,
  reading,
  texts,
  expires_at,
  problem,
}: SourceBatches): string {
  const parts = [
    ...(submitted === 0 ? [] : [`${submitted} at the provider`]),
    ...(reading === 0 ? [] : [`${reading} being written`]),
    ...(making === 0 ? [] : [`${making} being made`]),
  ];
  const expiry = expires_at === null ? "" : `, the first expires at ${expires_at}`;
  return `batches: ${parts.join(", ")}; ${texts} texts${expiry}${problem === null ? "" : `; ${problem}`}`;
}
