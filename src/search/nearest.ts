import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { queueKey, vectorType } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { rowsWithVectors } from "../backfill/find-work.ts";

export interface Neighbour {
  /** The row's key, as the queue writes it. */
  readonly key: string;
  /** Cosine distance: 0 the same direction, 1 unrelated, 2 opposite. */
  readonly distance: number;
  /** The text, where it was asked for. */
  readonly text: string | null;
}

/** The rows whose vectors are nearest to a vector, by cosine distance; an index on the column is used where there is one. */
export async function nearest(
  db: Database,
  source: Source,
  vector: Float32Array,
  options: { readonly limit: number; readonly withText: boolean },
): Promise<Neighbour[]> {
  const query = sql`${`[${vector.join(",")}]`}::${vectorType(source)}`;
  const { rows } = await sql<Neighbour>`
    select ${queueKey(source, "t")} as key, t.vector <=> ${query} as distance,
      ${options.withText ? sql`t.content` : sql`null::text`} as text
    from ${rowsWithVectors(source)} t where t.vector is not null
    order by t.vector <=> ${query} limit ${options.limit}`.execute(db);
  return rows;
}
