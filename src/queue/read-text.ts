import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { hasText, textHash } from "../sources/source-sql.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import type { Source } from "../sources/source.ts";
import { queuedRows } from "./held-rows.ts";
import { isOneOf, type TicketedRow } from "./is-one-of.ts";
import { isOpen } from "./row-state.ts";

export interface TextToChunk {
  /** Empty where it is null, blank, or longer than `maxCharacters`. */
  readonly text: string;
  /** Null where the text is null. */
  readonly text_hash: Buffer | null;
  readonly too_long: boolean;
  /** The SQLSTATE that the text's expression raises; else null. */
  readonly fault: string | null;
}

/** The current text of a claimed row; undefined where the row was deleted, or has left the queue. */
export async function readText(
  db: Database,
  source: Source,
  queued: TicketedRow,
  maxCharacters: number,
): Promise<TextToChunk | undefined> {
  const isTooLong = sql`octet_length(t.content) > ${maxCharacters} and char_length(t.content) > ${maxCharacters}`;
  return await withPerRowFallback(source, async (source) => {
    const { rows } = await sql<TextToChunk>`
    select ${textHash("t")} as text_hash, coalesce(${isTooLong}, false) as too_long, t.fault,
      case when ${hasText("t")} and not (${isTooLong}) then t.content else '' end as text
    from ${queuedRows(source)}
    where q.source_id = ${source.id} and ${isOpen()} and ${isOneOf([queued])}`.execute(db);
    return rows[0];
  });
}
