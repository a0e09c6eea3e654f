import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isToWorkOn } from "../queue/is-queued.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import { queueKey, watchedTexts } from "../sources/source-sql.ts";
import { isToCut, joinChunks } from "./queue-stale-chunked-rows.ts";

/** Texts that a backfill cuts into chunks. How many chunks they make is not known before. */
export interface TextsToCut {
  readonly texts: number;
  readonly characters: number;
}

/** @param isAll every text is cut again */
export async function countTextsToCut(
  db: Database,
  chunkedSource: ChunkedSource,
  isAll: boolean,
): Promise<TextsToCut> {
  return await withPerRowFallback(chunkedSource, async (source) => {
    const { rows } = await sql<TextsToCut>`
      select count(*)::float8 as texts, coalesce(sum(char_length(d.content)), 0)::float8 as characters
      from ${watchedTexts(source)} d ${joinChunks(chunkedSource, "d")}
      where ${isToWorkOn(chunkedSource, queueKey(source, "d"), isToCut("d", isAll))}`.execute(db);
    return rows[0] ?? { texts: 0, characters: 0 };
  });
}
