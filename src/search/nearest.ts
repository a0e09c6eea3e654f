import { sql, type RawBuilder } from "kysely";
import { PREPARED, type Database } from "../database/connect.ts";
import { distance, keysOf, queueKey, vectorType } from "../sources/source-sql.ts";
import { comparedDistance } from "./comparable.ts";
import type { Condition } from "./filter.ts";
import { FULL, type IndexKind } from "./index-kind.ts";
import { FEW_ROWS, filteredRound, indexRounds, type IndexRound } from "./index-rounds.ts";
import type { Chunk } from "./search-options.ts";
import { searchedVectors } from "./searched-rows.ts";
import type { Searched } from "./searched.ts";

/** A row near to a vector, by its nearest chunk where texts are in chunks. */
export interface Nearest {
  readonly key: string;
  readonly distance: number;
  readonly chunk: Chunk | undefined;
}

export interface NearestOptions {
  readonly limit: number;
  /** With so many rows an index needs not be asked for more; by default, with `limit`. */
  readonly enough?: number | undefined;
  /** Which rows are looked at. Then `db` is a transaction whose search path is the role's. */
  readonly condition?: Condition | undefined;
}

/** The source is not any more what was loaded: another model's vectors, another column. Loaded again, it can be searched. */
export class SourceHasChanged extends Error {
  constructor() {
    super("The source was changed while it was searched.");
  }
}

/**
 * The rows nearest to a vector, by cosine distance, through the index that `npm run index` makes, if there is one: it gives
 * candidates, which are put in order by the column's own distance. Where it finds too few, every row is compared.
 * @param vector as pgvector writes it
 * @throws {SourceHasChanged} never with another model's rows
 */
export async function nearest(
  db: Database,
  searched: Searched,
  vector: string,
  options: NearestOptions,
): Promise<Nearest[]> {
  const search = new NearestSearch(db, searched, vector, options);
  if (searched.index !== undefined) {
    const { index } = searched;
    for (const found of options.condition === undefined ? search.byIndex(index) : search.filtered(index)) {
      const { rows, isComplete } = await found();
      if (isComplete) return rows;
    }
  }
  return (await search.exactly()).rows;
}

interface Found {
  readonly rows: Nearest[];
  /** Nothing nearer would be found by looking further, as far as an index can tell. */
  readonly isComplete: boolean;
}

class NearestSearch {
  readonly #db: Database;
  readonly #searched: Searched;
  readonly #vector: RawBuilder<unknown>;
  readonly #limit: number;
  readonly #enough: number;
  readonly #vectors: RawBuilder<unknown>;

  constructor(db: Database, searched: Searched, vector: string, options: NearestOptions) {
    const { limit, enough, condition } = options;
    this.#db = db;
    this.#searched = searched;
    this.#vector = sql`${vector}::${vectorType(searched.source)}`;
    this.#limit = limit;
    this.#enough = enough ?? limit;
    this.#vectors = sql`${searchedVectors(searched, condition)} t where t.vector is not null`;
  }

  /** Ways through the index, the cheapest first. Of many chunks of one row, only the nearest counts. */
  *byIndex(kind: IndexKind): Generator<() => Promise<Found>> {
    const isChunked = this.#searched.chunkedSource !== undefined;
    for (const round of indexRounds(kind, this.#limit, { isChunked }))
      yield () => this.#fromIndex(kind, round);
  }

  *filtered(kind: IndexKind): Generator<() => Promise<Found>> {
    yield () => this.#ifFew();
    const round = this.#searched.canIterate
      ? filteredRound(kind, this.#limit, this.#searched.vectors)
      : undefined;
    if (round !== undefined) yield () => this.#fromIndex(kind, round);
  }

  /** Every vector is compared. */
  async exactly(): Promise<Found> {
    // No index has this expression.
    const exact = sql`${this.#distance(FULL)} + 0`;
    // Of chunks, all: they belong to an unknown number of rows.
    const nearestFirst =
      this.#searched.chunkedSource === undefined ? sql`order by ${exact} limit ${this.#limit}` : sql``;
    return await this.#find(sql`select t.* from ${this.#vectors} ${nearestFirst}`);
  }

  async #fromIndex(kind: IndexKind, { wanted, settings }: IndexRound): Promise<Found> {
    const set = sql.join(
      Object.entries(settings).map(([name, value]) => sql`set_config(${name}, ${value}, true)`),
    );
    // Settings of this statement alone, made before its scan begins.
    const found = await this.#find(sql`select t.* from ${this.#vectors} and (select num_nulls(${set}) = 0)
      order by ${this.#distance(kind)} limit ${wanted}`);
    return { ...found, isComplete: found.rows.length >= this.#enough && found.examined === wanted };
  }

  async #ifFew(): Promise<Found> {
    const found = await this.#find(
      sql`select t.* from ${this.#vectors} limit ${FEW_ROWS + 1}`,
      sql`where (select count(*) from near) <= ${FEW_ROWS}`,
    );
    return { ...found, isComplete: found.examined <= FEW_ROWS };
  }

  /** As the index compares, so that it is used. */
  #distance(kind: IndexKind): RawBuilder<unknown> {
    return comparedDistance(this.#searched.source, kind, sql`t.vector`, this.#vector);
  }

  async #find(near: RawBuilder<unknown>, only = sql``): Promise<Found & { examined: number }> {
    const { keyed, source, isUnchanged } = this.#searched;
    const { rows } = await sql<FoundRow & { examined: string }>`${sql.raw(PREPARED)}
      with near as materialized (${near}), best as (
        select distinct on (${keysOf(keyed, "n")}) ${queueKey(keyed, "n")} as key,
          ${distance(source, sql`n.vector`, this.#vector)} as distance, n.chunk, n.start_char, n.end_char
        from near n ${only} order by ${keysOf(keyed, "n")}, distance, chunk
      )
      select u.unchanged, (select count(*) from near) as examined, b.*
      from (select ${isUnchanged} as unchanged) u
      left join (select * from best order by distance, key limit ${this.#limit}) b on true
      order by b.distance, b.key`.execute(this.#db);
    if (rows[0]?.unchanged !== true) throw new SourceHasChanged();
    const found = rows.flatMap(({ key, distance, ...position }) =>
      // A vector of zeros, which somebody else wrote, has no direction.
      key === null || !Number.isFinite(distance) ? [] : [{ key, distance, chunk: chunkOf(position) }],
    );
    return { rows: found, examined: Number(rows[0].examined), isComplete: true };
  }
}

export interface Position {
  readonly chunk: number | null;
  readonly start_char: number;
  readonly end_char: number;
}

interface FoundRow extends Position {
  readonly unchanged: boolean;
  readonly key: string | null;
  readonly distance: number;
}

/** Undefined where texts are embedded whole. */
export function chunkOf({ chunk, start_char, end_char }: Position): Chunk | undefined {
  return chunk === null ? undefined : { number: chunk, start: start_char, end: end_char };
}
