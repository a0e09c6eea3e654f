import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { hasVector } from "../ledger/ledger-sql.ts";
import type { LedgerModel } from "../ledger/model.ts";
import { isToEmbed, joinKnown, modelSql } from "../ledger/stale-rows.ts";
import { joinQueue } from "../queue/is-queued.ts";
import { isOpen } from "../queue/row-state.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import { refusingUnreadableKeys } from "../sources/readable-keys.ts";
import { hasText, queueKey, rowsWithVectors, textHash } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

export interface CountOptions {
  /** Every row that was not embedded since that time, even if its vector is current: see `allSince`. */
  readonly allSince: string | undefined;
  /** Null where it is not known, so that no text counts as embedded. */
  readonly model: LedgerModel | null;
  /** Characters per text, at most. */
  readonly textCharacters: number;
  /** What becomes of a longer one. */
  readonly onTooLong: "fail" | "truncate";
}

export interface DryRunCounts {
  /** Rows to embed. */
  readonly rows: number;
  /** Of these, the rows whose text another of them has already: equal texts are sent once. */
  readonly equalTexts: number;
  /** Different texts of these rows that another row, or the cache, has a vector for. */
  readonly cachedTexts: number;
  /** Different texts that are too long to be sent: their rows will fail. */
  readonly tooLongTexts: number;
  /** The other different texts: what is sent. */
  readonly texts: number;
  /** Of the texts to send, as they are sent. */
  readonly characters: number;
}

/**
 * The rows of a backfill as `(key, text_hash, content, characters)`: those whose vector is missing or outdated, and those that
 * are queued. Failed rows are left out, since a backfill leaves them failed; but not of a source that is planned, which
 * has a queue of its own.
 */
export function rowsToEmbed(source: Source, { allSince, model }: CountOptions): RawBuilder<unknown> {
  const known = model === null ? null : modelSql(model);
  const since = allSince === undefined ? undefined : sql`${allSince}::timestamptz`;
  const isLeft = source.hasNoVectors === true ? sql`true` : isOpen();
  return sql`
    select ${queueKey(source, "t")} as key, ${textHash("t")} as text_hash, t.content, char_length(t.content) as characters
    from ${rowsWithVectors(source)} t ${joinQueue(source, "t")} ${joinKnown(source, known)}
    where ${hasText("t")} and (${isToEmbed(source, known, since)} or q.ticket is not null) and ${isLeft}`;
}

/** Another row, or the cache, has a vector for the text of `row`. */
export function isEmbedded(source: Source, { model }: CountOptions, row: string): RawBuilder<boolean> {
  return model === null ? sql`false` : hasVector(sql.ref(`${row}.text_hash`), model, source);
}

/** The text of `row` is refused for its length before it is sent. */
export function isTooLong({ onTooLong, textCharacters }: CountOptions, row: string): RawBuilder<boolean> {
  if (onTooLong === "truncate") return sql`false`;
  return sql`${sql.ref(`${row}.characters`)} > ${textCharacters}::int`;
}

/** Counts what a backfill has to do. */
export async function countForDryRun(
  db: Database,
  source: Source,
  options: CountOptions,
): Promise<DryRunCounts> {
  return await refusingUnreadableKeys(source, () =>
    withPerRowFallback(source, async (source) => {
      const { rows } = await sql<DryRunCounts>`
      with text as (
        select text_hash, max(characters) as characters, count(*) as rows
        from (${rowsToEmbed(source, options)}) r group by text_hash
      ), known as (
        select t.characters, t.rows, ${isEmbedded(source, options, "t")} as is_cached, ${isTooLong(options, "t")} as is_too_long
        from text t
      )
      select coalesce(sum(rows), 0)::float8 as rows, coalesce(sum(rows - 1), 0)::float8 as "equalTexts",
        (count(*) filter (where is_cached))::float8 as "cachedTexts",
        (count(*) filter (where not is_cached and is_too_long))::float8 as "tooLongTexts",
        (count(*) filter (where not is_cached and not is_too_long))::float8 as texts,
        coalesce(sum(least(characters, ${options.textCharacters}::int))
          filter (where not is_cached and not is_too_long), 0)::float8 as characters
      from known`.execute(db);
      const [work] = rows;
      if (work === undefined) throw new Error("the server returned no count");
      return work;
    }),
  );
}
