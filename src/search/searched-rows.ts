import { sql, type RawBuilder } from "kysely";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import type { Source } from "../sources/source.ts";
import { isSameRow, tableOf, vectorRows, vectorTableOf, watchedKeys } from "../sources/source-sql.ts";
import type { Condition } from "./filter.ts";
import type { Searched } from "./searched.ts";

/**
 * The vectors of a source as `(k0, k1, …, vector, chunk, start_char, end_char)`, by the key of the row that a search finds;
 * the last three are null where texts are embedded whole. Reads no text but what the condition reads.
 */
export function searchedVectors(searched: Searched, condition: Condition | undefined): RawBuilder<unknown> {
  const { source, chunkedSource, keyed } = searched;
  const { filter, passingKeys } = condition === undefined ? NONE : filtering(keyed, condition);
  if (chunkedSource !== undefined) {
    const own = sql.join(chunkedSource.key.map(({ name }) => sql.id("p", name)));
    const passes =
      passingKeys === undefined ? sql`` : sql`where (${own}) in (select * from ${passingKeys} w)`;
    return sql`(select ${chunkColumns(searched, chunkedSource)} ${passes})`;
  }
  if (source.vectorTable === null)
    return sql`(select ${rowColumns(searched)} from ${tableOf(source)} ${filter})`;
  return sql`(select v.*, ${WHOLE} from ${vectorRows(source)} v
    join ${passingKeys ?? watchedKeys(source)} w on ${isSameRow(source, "v", "w")})`;
}

/** All of them, with what the condition says of each row as `passes`. */
export function judgedVectors(searched: Searched, condition: Condition): RawBuilder<unknown> {
  const { source, chunkedSource, keyed } = searched;
  const passes = sql`(${condition(keyed)}) as passes`;
  const judged = sql`(select ${keysAs(keyed)}, ${passes} from ${tableOf(keyed)})`;
  if (chunkedSource !== undefined) {
    const isOfRow = chunkedSource.key.map(
      ({ name }, i) => sql`${sql.id("p", name)} = ${sql.id("w", `k${i}`)}`,
    );
    return sql`(select w.passes, ${chunkColumns(searched, chunkedSource)}
      join ${judged} w on ${sql.join(isOfRow, sql` and `)})`;
  }
  if (source.vectorTable === null)
    return sql`(select ${rowColumns(searched)}, ${passes} from ${tableOf(source)})`;
  return sql`(select v.*, ${WHOLE}, w.passes from ${vectorRows(source)} v
    join ${judged} w on ${isSameRow(source, "v", "w")})`;
}

const WHOLE = sql`null::int as chunk, null::int as start_char, null::int as end_char`;

interface Filtering {
  readonly filter: RawBuilder<unknown>;
  /** Undefined for all rows: but who may not read a row learns nothing of its vector in another table. */
  readonly passingKeys: RawBuilder<unknown> | undefined;
}

const NONE: Filtering = { filter: sql``, passingKeys: undefined };

/** In a `where` of its own, Postgres can make a join of what the condition asks of other tables. */
function filtering(keyed: Source, condition: Condition): Filtering {
  const filter = sql`where ${condition(keyed)}`;
  return { filter, passingKeys: sql`(select ${keysAs(keyed)} from ${tableOf(keyed)} ${filter})` };
}

function rowColumns({ keyed, source }: Searched): RawBuilder<unknown> {
  return sql`${keysAs(keyed)}, ${sql.id(source.vectorColumn)} as vector, ${WHOLE}`;
}

/** With the table of the chunks, `p`, as what they are selected from. */
function chunkColumns({ source }: Searched, chunkedSource: ChunkedSource): RawBuilder<unknown> {
  const keys = chunkedSource.key.map(({ name }, i) => sql`${sql.id("p", name)} as ${sql.id(`k${i}`)}`);
  return sql`${sql.join(keys)}, ${sql.id("p", source.vectorColumn)} as vector, p.chunk, p.start_char, p.end_char
    from ${vectorTableOf(chunkedSource)} p`;
}

function keysAs(keyed: Source): RawBuilder<unknown> {
  return sql.join(keyed.key.map(({ name }, i) => sql`${sql.id(name)} as ${sql.id(`k${i}`)}`));
}
