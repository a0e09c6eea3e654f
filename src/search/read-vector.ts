import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isDatabaseError } from "../database/database-fault.ts";
import { UsageError } from "../errors.ts";
import { keyMatches, queueKey, watchedKeys } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import type { Searched } from "./searched.ts";
import { searchedVectors } from "./searched-rows.ts";

/**
 * The vector of a row, as pgvector writes it, and its key, as the queue does; of a text in chunks, the mean of its chunks' vectors.
 * @throws {UsageError} if that is no key, there is no such row, or it has no vector yet
 */
export async function readVector(
  db: Database,
  searched: Searched,
  key: string,
): Promise<{ key: string; vector: string }> {
  const { keyed } = searched;
  const [row] = await readRows(db, searched, key).catch((error: unknown) => {
    // 22000 is pgvector's, of vectors that have other dimensions.
    if (!isDatabaseError(error) || !/^22(?!000)/.test(error.code)) throw error;
    throw new UsageError(`That is no key of ${keyed.name}.`, described(keyed));
  });
  if (row === undefined)
    throw new UsageError(`${keyed.name} has no row with that key.`, "Give the key of a row that is there.");
  if (row.vector === null) throw new UsageError("That row has no vector yet.", "Wait until it is embedded.");
  return { key: row.key, vector: row.vector };
}

async function readRows(
  db: Database,
  searched: Searched,
  key: string,
): Promise<readonly { readonly key: string; readonly vector: string | null }[]> {
  const { keyed, source } = searched;
  const average = sql`${sql.id(source.vectorSchema, "avg")}(v.vector)`;
  const { rows } = await sql<{ key: string; vector: string | null }>`
    select (select ${average}::text from ${searchedVectors(searched, undefined)} v where ${keyMatches(keyed, "v", "q")}) as vector, ${queueKey(keyed, "t")} as key
    from (select ${key}::text as key) q join ${watchedKeys(keyed)} t on ${keyMatches(keyed, "t", "q")}`.execute(
    db,
  );
  return rows;
}

function described({ key }: Source): string {
  const columns = key.map(({ name, type }) => `${name} (${type})`).join(", ");
  return key.length === 1
    ? `Its key is ${columns}.`
    : `Its key is a JSON array of the texts of ${columns}, as a search returns it.`;
}
