import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { keyMatches, vectorTableOf } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

/** Removes the vector of a row, wherever it is kept. @returns how many there were */
export async function eraseVector(transaction: Database, source: Source, key: string): Promise<number> {
  const column = sql.id(source.vectorColumn);
  const table = vectorTableOf(source);
  const isRow = hasKey(source, key);
  let removed = 0n;
  if (source.vectorTable !== null) {
    // Unless its row holds something else, such as another source's vector.
    const own = [...source.key.map(({ name }) => name), source.vectorColumn];
    const deleted = await sql`
      delete from ${table} w where ${isRow}
        and jsonb_strip_nulls(to_jsonb(w) - ${own}::text[]) = '{}'`.execute(transaction);
    removed += deleted.numAffectedRows ?? 0n;
  }
  const emptied = await sql`
    update ${table} w set ${column} = null where ${isRow} and w.${column} is not null`.execute(transaction);
  return Number(removed + (emptied.numAffectedRows ?? 0n));
}

/** The keys of the chunks that a row's text was cut into, as the queue writes them. */
export async function chunkKeys(
  transaction: Database,
  source: ChunkedSource,
  key: string,
): Promise<string[]> {
  const { rows } = await sql<{ key: string }>`
    select w.passage_id::text as key from ${vectorTableOf(source)} w where ${hasKey(source, key)}`.execute(
    transaction,
  );
  return rows.map((row) => row.key);
}

/** Deletes the chunks of a row with their texts and vectors. */
export async function eraseChunks(transaction: Database, source: ChunkedSource, key: string): Promise<void> {
  await sql`delete from ${vectorTableOf(source)} w where ${hasKey(source, key)}`.execute(transaction);
}

/** The row `w` of the vectors' table has that key. */
function hasKey(source: Source, key: string): RawBuilder<unknown> {
  const columns = sql.join(source.key.map(({ name }, i) => sql`${sql.id("w", name)} as ${sql.id(`k${i}`)}`));
  return sql`exists (select from (select ${columns}) t, (select ${key}::text as key) q where ${keyMatches(source, "t", "q")})`;
}
