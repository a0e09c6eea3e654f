import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import { refusingUnreadableKeys } from "../sources/readable-keys.ts";
import type { Source } from "../sources/source.ts";
import { isEmbedded, isTooLong, rowsToEmbed, type CountOptions } from "./dry-run-counts.ts";

export interface PickedText {
  /** sha256 of the whole text in hex. */
  readonly hash: string;
  /** Of a row that has it, as the queue writes it. */
  readonly key: string;
  /** Its beginning, where it is longer than what is sent. */
  readonly text: string;
}

/**
 * Picks different texts that a backfill would send, and that no listener is embedding now. They come in the order of
 * their hashes, which is as good as random: the first rows of a table are often unlike the rest.
 *
 * The hashes are picked first and their texts read after that, so that no sort carries the texts of a whole table.
 */
export async function pickTexts(
  db: Database,
  source: Source,
  options: CountOptions,
  limit: number,
): Promise<PickedText[]> {
  return await refusingUnreadableKeys(source, () =>
    withPerRowFallback(source, async (source) => {
      const { rows } = await sql<PickedText>`
      with candidates as not materialized (${rowsToEmbed(source, options)}), picked as materialized (
        select c.text_hash from (select distinct text_hash, characters from candidates) c
        where not ${isEmbedded(source, options, "c")} and not ${isTooLong(options, "c")} and not exists (
          select from autoembed.embedding_reservation r
          where r.cache_model = ${options.model?.fingerprint ?? null} and r.text_hash = c.text_hash)
        order by c.text_hash limit ${limit}
      )
      select distinct on (c.text_hash) encode(c.text_hash, 'hex') as hash, c.key,
        left(c.content, ${options.textCharacters}::int) as text
      from candidates c where c.text_hash in (select text_hash from picked) order by c.text_hash`.execute(db);
      return rows;
    }),
  );
}
