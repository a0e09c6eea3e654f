import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isDatabaseError } from "../database/database-fault.ts";
import { UsageError } from "../errors.ts";
import { keyPart } from "../queue/spellings-of.ts";
import { forgetUnreadableKeys } from "../sources/readable-keys.ts";
import { hasText, keyMatches, queueKey, textHash, watchedRows } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

/** What became of the row that a key names. */
export type RowState = "gone" | "without text" | "with text";

export interface NamedRow {
  /** As the queue writes it: of a row that is there as it has it, else as it was given. */
  readonly key: string;
  readonly state: RowState;
  /** sha256 of its present text; null where it has none. */
  readonly text_hash: Buffer | null;
}

/**
 * The key as the queue writes it: `017` of a bigint is `17`, and a JSON array may have other blanks.
 * @throws {UsageError} if it cannot be a key of this source
 */
export async function canonicalKey(
  db: Database,
  source: Source,
  key: string,
  isDryRun: boolean,
): Promise<string> {
  const parts = source.key.map(({ type }, i) => sql`${keyPart(source, key, i)}::${sql.raw(type)}::text`);
  const canonical =
    source.key.length === 1 ? sql.join(parts) : sql`jsonb_build_array(${sql.join(parts)})::text`;
  try {
    const { rows } = await sql<{ key: string }>`
      select ${canonical} as key where num_nulls(${sql.join(parts)}) = 0`.execute(db);
    const [found] = rows;
    if (found !== undefined) return found.key;
  } catch (error) {
    if (!isDatabaseError(error) || !/^22|^23514$/.test(error.code)) throw error;
    // It may have been one, before the key's type was altered.
    if (!isDryRun && (await isKept(db, source, key))) await forgetUnreadableKeys(db, source);
  }
  throw new UsageError(
    `A value of --key is no key of ${source.name}, which is ${source.key.map(({ name, type }) => `${name} ${type}`).join(", ")}.`,
    source.key.length === 1
      ? "Such as: --key 17"
      : `Give a JSON array of texts, as \`failed\` shows them: --key '${JSON.stringify(source.key.map(() => "…"))}'`,
  );
}

/** Whether anything is kept under a key, written as the queue writes it. */
async function isKept(db: Database, { id }: Source, key: string): Promise<boolean> {
  const { rows } = await sql`
    select from autoembed.embedding_ledger l where l.source_id = ${id} and l.key = ${key}
    union all select from autoembed.embedding_cache e where e.source_id = ${id} and e.key = ${key}
    limit 1`.execute(db);
  return rows.length > 0;
}

/**
 * Locks the row, if it is there, so that its text stays what it is until the transaction ends. A text that cannot be
 * computed counts as one: nobody knows that it is none.
 */
export async function lockNamedRow(transaction: Database, source: Source, key: string): Promise<NamedRow> {
  const tried: Source = { ...source, evaluatesPerRow: true };
  const { rows } = await sql<{ key: string; has_text: boolean; text_hash: Buffer | null }>`
    select ${queueKey(source, "t")} as key, t.fault is not null or ${hasText("t")} as has_text, ${textHash("t")} as text_hash
    from (select ${key}::text as key) q join ${watchedRows(tried)} t on ${keyMatches(source, "t", "q")}
    for no key update of t`.execute(transaction);
  const [found] = rows;
  if (found === undefined) return { key, state: "gone", text_hash: null };
  return found.has_text
    ? { key: found.key, state: "with text", text_hash: found.text_hash }
    : { key: found.key, state: "without text", text_hash: null };
}
