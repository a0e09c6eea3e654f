import { sql, type RawBuilder } from "kysely";
import { distance, keysOf, queueKey, vectorType } from "../sources/source-sql.ts";
import { comparedDistance, isComparedAsStored } from "./comparable.ts";
import type { Condition } from "./filter.ts";
import { FULL, type IndexKind } from "./index-kind.ts";
import type { IndexRound } from "./index-rounds.ts";
import { judgedVectors, searchedVectors } from "./searched-rows.ts";
import type { Searched } from "./searched.ts";

/** Stands for the vector of the question in a statement's parameters. */
export const QUESTION = Symbol("the vector of the question, as pgvector writes it");

/** The statements that find the `limit` rows nearest to a vector, as `(unchanged, examined, key, distance, chunk, …)`. */
export class NearestSql {
  readonly #searched: Searched;
  readonly #limit: RawBuilder<unknown>;
  readonly #condition: Condition | undefined;
  readonly #question: RawBuilder<unknown>;

  constructor(searched: Searched, limit: number, condition: Condition | undefined) {
    this.#searched = searched;
    // Not bound: a plan that is kept has to know them.
    this.#limit = sql.lit(limit);
    this.#condition = condition;
    this.#question = sql`${QUESTION}::${vectorType(searched.source)}`;
  }

  /** Every vector is compared. */
  exactly(): RawBuilder<unknown> {
    // No index has this expression.
    if (!this.#isChunked) return this.#first(this.#passing, sql`${this.#compared(FULL)} + 0`);
    // All chunks: they belong to an unknown number of rows.
    return this.#best(this.#comparedVectors, sql`n.distance`);
  }

  /** The same of so many vectors at most: of more, it finds any. */
  exactlyIfFew(most: number): RawBuilder<unknown> {
    return this.#best(sql`${this.#comparedVectors} limit ${sql.lit(most + 1)}`, sql`n.distance`);
  }

  /** The vectors that would be compared. */
  passing(): RawBuilder<unknown> {
    return sql`select from ${this.#passing}`;
  }

  /** As an index of that kind finds them. @param isInOrder it gives the wanted rows, in the order of their distance */
  byIndex(kind: IndexKind, { candidates, settings }: IndexRound, isInOrder: boolean): RawBuilder<unknown> {
    const set = sql.join(
      Object.entries(settings).map(([name, value]) => sql`set_config(${name}, ${value}, true)`),
    );
    const condition = this.#condition;
    const all =
      condition === undefined
        ? searchedVectors(this.#searched, undefined)
        : judgedVectors(this.#searched, condition);
    // Settings of this statement alone, made before its scan begins.
    const vectors = sql`${all} t where t.vector is not null and (select num_nulls(${set}) = 0)`;
    if (isInOrder && !this.#isChunked) {
      // The question is long: it is sent once where the selected distance is the index's too.
      const isSelected = isComparedAsStored(this.#searched.source, kind);
      return this.#first(vectors, isSelected ? sql`distance` : this.#compared(kind));
    }
    const near = sql`select t.* from ${vectors} order by ${this.#compared(kind)} limit ${sql.lit(candidates)}`;
    // The condition stands outside, where it changes nothing about the index being used.
    const passes = condition === undefined ? sql`` : sql`where t.passes`;
    return this.#best(sql`select t.* from (${near}) t ${passes}`, this.#distance("n"));
  }

  /** The vectors of the rows that pass, `t`. */
  get #passing(): RawBuilder<unknown> {
    return sql`${searchedVectors(this.#searched, this.#condition)} t where t.vector is not null`;
  }

  /** With their distances in their place: of many vectors, the copies would not fit into `work_mem`. */
  get #comparedVectors(): RawBuilder<unknown> {
    const keys = keysOf(this.#searched.keyed, "t");
    return sql`select ${keys}, ${this.#distance("t")} as distance, t.chunk, t.start_char, t.end_char
      from ${this.#passing}`;
  }

  get #isChunked(): boolean {
    return this.#searched.chunkedSource !== undefined;
  }

  /** As the index compares, so that it is used. */
  #compared(kind: IndexKind): RawBuilder<unknown> {
    return comparedDistance(this.#searched.source, kind, sql`t.vector`, this.#question);
  }

  /** As the column itself is compared. */
  #distance(table: string): RawBuilder<unknown> {
    return distance(this.#searched.source, sql`${sql.id(table)}.vector`, this.#question);
  }

  /** The first of the `vectors` in that order; each is a row's only one. */
  #first(vectors: RawBuilder<unknown>, order: RawBuilder<unknown>): RawBuilder<unknown> {
    const row = sql`${queueKey(this.#searched.keyed, "t")} as key, ${this.#distance("t")} as distance`;
    return this.#found(
      sql`select ${row}, t.chunk, t.start_char, t.end_char from ${vectors} order by ${order} limit ${this.#limit}`,
      sql`count(b.key) over ()`,
    );
  }

  /**
   * Of the vectors that are `near`, the nearest of each row.
   * @param distance of one of them, `n`
   */
  #best(near: RawBuilder<unknown>, distance: RawBuilder<unknown>): RawBuilder<unknown> {
    const keys = keysOf(this.#searched.keyed, "n");
    const row = sql`${queueKey(this.#searched.keyed, "n")} as key, ${distance} as distance, n.chunk, n.start_char, n.end_char`;
    const best = this.#isChunked
      ? sql`select distinct on (${keys}) ${row} from near n order by ${keys}, distance, chunk`
      : sql`select ${row} from near n`;
    return sql`with near as materialized (${near}) ${this.#found(
      sql`select * from (${best}) o order by distance, key limit ${this.#limit}`,
      sql`(select count(*) from near)`,
    )}`;
  }

  #found(best: RawBuilder<unknown>, examined: RawBuilder<unknown>): RawBuilder<unknown> {
    return sql`select u.unchanged, ${examined} as examined, b.*
      from (select ${this.#searched.isUnchanged} as unchanged) u left join (${best}) b on true
      order by b.distance, b.key`;
  }
}
