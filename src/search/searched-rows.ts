import { sql, type RawBuilder } from "kysely";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { isSameRow, tableOf, vectorRows, vectorTableOf, watchedKeys } from "../sources/source-sql.ts";
import type { Condition } from "./filter.ts";
import type { Searched } from "./searched.ts";

/**
 * The vectors of a source as `(k0, k1, …, vector, chunk, start_char, end_char)`, by the key of the row that a search finds;
 * the last three are null where texts are embedded whole. Reads no text.
 */
export function searchedVectors(searched: Searched, condition: Condition | undefined): RawBuilder<unknown> {
  const { source, chunkedSource } = searched;
  if (chunkedSource !== undefined) return vectorsOfChunks(searched, chunkedSource, condition);
  const position = sql`null::int as chunk, null::int as start_char, null::int as end_char`;
  if (source.vectorTable === null) {
    const vector = sql`${keysAs(searched)}, ${sql.id(source.vectorColumn)} as vector, ${position}`;
    return sql`(select ${vector} from ${tableOf(source)} ${where(searched, condition)})`;
  }
  // Who may not read a row does not learn of its vector, which is in another table.
  const rows = condition === undefined ? watchedKeys(source) : passingKeys(searched, condition);
  return sql`(select v.*, ${position} from ${vectorRows(source)} v join ${rows} w on ${isSameRow(source, "v", "w")})`;
}

function vectorsOfChunks(
  searched: Searched,
  chunkedSource: ChunkedSource,
  condition: Condition | undefined,
): RawBuilder<unknown> {
  const keys = sql.join(
    chunkedSource.key.map(({ name }, i) => sql`${sql.id("p", name)} as ${sql.id(`k${i}`)}`),
  );
  const own = sql.join(chunkedSource.key.map(({ name }) => sql.id("p", name)));
  const passes =
    condition === undefined
      ? sql``
      : sql`where (${own}) in (select * from ${passingKeys(searched, condition)} w)`;
  return sql`(select ${keys}, ${sql.id("p", searched.source.vectorColumn)} as vector, p.chunk, p.start_char, p.end_char
    from ${vectorTableOf(chunkedSource)} p ${passes})`;
}

/** The keys of the rows that pass a condition, as `(k0, k1, …)`. */
function passingKeys(searched: Searched, condition: Condition): RawBuilder<unknown> {
  return sql`(select ${keysAs(searched)} from ${tableOf(searched.keyed)} ${where(searched, condition)})`;
}

function keysAs({ keyed }: Searched): RawBuilder<unknown> {
  return sql.join(keyed.key.map(({ name }, i) => sql`${sql.id(name)} as ${sql.id(`k${i}`)}`));
}

function where({ keyed }: Searched, condition: Condition | undefined): RawBuilder<unknown> {
  return condition === undefined ? sql`` : sql`where ${condition(keyed)}`;
}
