import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { keyMatches, keysOf, watchedKeys } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { queuedKeys } from "./is-queued.ts";

/** Types of which each value is written in one way. */
const OF_ONE_SPELLING: ReadonlySet<string> = new Set([
  "smallint",
  "integer",
  "bigint",
  "boolean",
  "uuid",
  "date",
]);

/**
 * The keys, as they are written, under which anything is kept of the row that a key names: one value may be written in
 * several ways, as 1.0 and 1.00 of a number, and A and a of `citext`. Reads all that is kept of the sources, unless the key's
 * types tell that there is no other one.
 * @param sources that have the key of `keyed`
 */
export async function spellingsOf(
  db: Database,
  keyed: Source,
  sources: readonly Source[],
  key: string,
): Promise<string[]> {
  if (
    sources.every(({ hasAlteredKey }) => hasAlteredKey !== true) &&
    keyed.key.every(({ type }) => OF_ONE_SPELLING.has(type))
  )
    return [key];
  const isOfSources = (row: string): RawBuilder<boolean> =>
    sql`${sql.ref(`${row}.source_id`)} = any(${sources.map(({ id }) => id)}::int[])`;
  const { rows } = await sql<{ key: string }>`
    select distinct s.key from (
      ${queuedKeys(sources)}
      union all select l.key from autoembed.embedding_ledger l where ${isOfSources("l")}
      union all select e.key from autoembed.embedding_cache e where ${isOfSources("e")}
      union all (
        select u.key from autoembed.embedding_page p cross join unnest(p.batch_keys) u(key)
        where ${isOfSources("p")} and u.key <> '' offset 0)
    ) s join ${keyRow(keyed, key)} t on ${keyMatches(keyed, "t", "s")}`.execute(db);
  return rows.map((row) => row.key);
}

/** A row `(k0, k1, …)` with the values of the key, compared as the table's own columns are: by their collations too. */
function keyRow(source: Source, key: string): RawBuilder<unknown> {
  const values = source.key.map(({ type }, i) => sql`${keyPart(source, key, i)}::${sql.raw(type)}`);
  return sql`(select ${keysOf(source, "w")} from ${watchedKeys(source)} w where false
      union all select ${sql.join(values)})`;
}

/** The text of a column of the key. */
export function keyPart(source: Source, key: string, i: number): RawBuilder<unknown> {
  return source.key.length === 1 ? sql`(${key}::text)` : sql`(${key}::text::jsonb ->> ${sql.lit(i)})`;
}
