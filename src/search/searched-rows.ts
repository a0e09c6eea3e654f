import { sql, type RawBuilder } from "kysely";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import type { Source } from "../sources/source.ts";
import { isSameRow, tableOf, vectorRows, vectorTableOf, watchedKeys } from "../sources/source-sql.ts";
import type { Condition } from "./filter.ts";
import type { Searched } from "./searched.ts";

/**
 * The vectors of a source as `(k0, k1, …, vector, chunk, start_char, end_char)`, by the key of the row that a search finds;
 * the last three are null where texts are embedded whole. With a condition, `passes` says whether the row does. Reads no text
 * but what the condition reads.
 */
export function searchedVectors(searched: Searched, condition: Condition | undefined): RawBuilder<unknown> {
  const { source, chunkedSource, keyed } = searched;
  if (chunkedSource !== undefined) return vectorsOfChunks(searched, chunkedSource, condition);
  const position = sql`null::int as chunk, null::int as start_char, null::int as end_char`;
  if (source.vectorTable === null) {
    const vector = sql`${keysAs(searched)}, ${sql.id(source.vectorColumn)} as vector, ${position}`;
    return sql`(select ${vector} ${passes(keyed, condition)} from ${tableOf(source)})`;
  }
  // Who may not read a row does not learn of its vector, which is in another table.
  const rows = condition === undefined ? watchedKeys(source) : judgedKeys(searched, condition);
  return sql`(select v.*, ${position} ${ifJudged(condition)} from ${vectorRows(source)} v
    join ${rows} w on ${isSameRow(source, "v", "w")})`;
}

function vectorsOfChunks(
  searched: Searched,
  chunkedSource: ChunkedSource,
  condition: Condition | undefined,
): RawBuilder<unknown> {
  const keys = sql.join(
    chunkedSource.key.map(({ name }, i) => sql`${sql.id("p", name)} as ${sql.id(`k${i}`)}`),
  );
  const isOfRow = sql.join(
    chunkedSource.key.map(({ name }, i) => sql`${sql.id("p", name)} = ${sql.id("w", `k${i}`)}`),
    sql` and `,
  );
  const rows = condition === undefined ? sql`` : sql`join ${judgedKeys(searched, condition)} w on ${isOfRow}`;
  return sql`(select ${keys}, ${sql.id("p", searched.source.vectorColumn)} as vector, p.chunk, p.start_char, p.end_char
    ${ifJudged(condition)} from ${vectorTableOf(chunkedSource)} p ${rows})`;
}

/** The keys of the rows, with what a condition says of each, as `(k0, k1, …, passes)`. */
function judgedKeys(searched: Searched, condition: Condition): RawBuilder<unknown> {
  const { keyed } = searched;
  return sql`(select ${keysAs(searched)} ${passes(keyed, condition)} from ${tableOf(keyed)})`;
}

function keysAs({ keyed }: Searched): RawBuilder<unknown> {
  return sql.join(keyed.key.map(({ name }, i) => sql`${sql.id(name)} as ${sql.id(`k${i}`)}`));
}

function passes(keyed: Source, condition: Condition | undefined): RawBuilder<unknown> {
  return condition === undefined ? sql`` : sql`, (${condition(keyed)}) as passes`;
}

function ifJudged(condition: Condition | undefined): RawBuilder<unknown> {
  return condition === undefined ? sql`` : sql`, w.passes`;
}
