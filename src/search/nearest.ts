import { sql, type CompiledQuery, type RawBuilder } from "kysely";
import { PREPARED, type Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";
import type { Condition } from "./filter.ts";
import { isStoredInRow } from "./comparable.ts";
import { planIn, type Explained } from "./plan.ts";
import { writeIndexKind, type IndexKind } from "./index-kind.ts";
import { filteredRounds, indexRounds, type IndexRound } from "./index-rounds.ts";
import { NearestSql, QUESTION } from "./nearest-sql.ts";
import type { Chunk } from "./search-options.ts";
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
  for await (const { rows, isComplete } of search.ways()) if (isComplete) return rows;
  return (await search.exactly()).rows;
}

interface Found {
  readonly rows: Nearest[];
  /** Vectors that were looked at. */
  readonly examined: number;
  /** Nothing nearer would be found by looking further, as far as an index can tell. */
  readonly isComplete: boolean;
}

/** As the planner counts: 8,000 are about 10 ms, and more than twice what is looked through of an index at first. */
const DEAR = 8_000;
/** What it costs to fetch a vector that is stored beside its row, the planner does not count. */
const DEAR_IF_STORED_BESIDE = 800;

/** What costs as little as that has fewer rows, unless the planner is wrong. */
const FEW = 10_000;

/** Of sources that are searched without a condition: only the vector differs from search to search. */
const kept = new WeakMap<Source, Map<string, CompiledQuery>>();

class NearestSearch {
  readonly #db: Database;
  readonly #searched: Searched;
  readonly #vector: string;
  readonly #options: NearestOptions;

  constructor(db: Database, searched: Searched, vector: string, options: NearestOptions) {
    this.#db = db;
    this.#searched = searched;
    this.#vector = vector;
    this.#options = options;
  }

  /** Before all vectors are compared, the cheapest first. Of many chunks of one row, only the nearest counts. */
  async *ways(): AsyncGenerator<Found> {
    const { index, vectors, canIterate, chunkedSource } = this.#searched;
    const { limit, condition } = this.#options;
    if (index === undefined) return;
    if (condition !== undefined && !(await this.#isDear())) yield await this.#ifFew();
    const table = { vectors, canIterate, isChunked: chunkedSource !== undefined };
    const rounds = condition === undefined ? indexRounds : filteredRounds;
    for (const round of rounds(index, limit, table)) yield await this.#fromIndex(index, round);
  }

  /** Every vector is compared. */
  async exactly(): Promise<Found> {
    return await this.#find("exactly", (statements) => statements.exactly());
  }

  /** Whether to compare every vector that passes the condition would cost more than to look through the index first. */
  async #isDear(): Promise<boolean> {
    const { limit, condition } = this.#options;
    const statement = sql`explain (format yaml) ${new NearestSql(this.#searched, limit, condition).passing()}`;
    const plan = planIn(await this.#run<Explained>(statement.compile(this.#db)));
    const dear = isStoredInRow(this.#searched.source) ? DEAR : DEAR_IF_STORED_BESIDE;
    return plan.totalCost > dear;
  }

  /** The planner may have taken many rows for few. */
  async #ifFew(): Promise<Found> {
    const found = await this.#find("exactly, if few", (statements) => statements.exactlyIfFew(FEW));
    return { ...found, isComplete: found.examined <= FEW };
  }

  async #fromIndex(kind: IndexKind, round: IndexRound): Promise<Found> {
    const { limit, enough = limit, condition } = this.#options;
    const isInOrder = condition === undefined && round.candidates === limit;
    const found = await this.#find(`${writeIndexKind(kind)} ${round.candidates}`, (statements) =>
      statements.byIndex(kind, round, isInOrder),
    );
    return { ...found, isComplete: found.rows.length >= enough && found.examined >= round.wanted };
  }

  async #find(name: string, write: (statements: NearestSql) => RawBuilder<unknown>): Promise<Found> {
    const rows = await this.#run<FoundRow>(this.#statement(name, write));
    if (rows[0]?.unchanged !== true) throw new SourceHasChanged();
    const found = rows.flatMap(({ key, distance, ...position }) =>
      // A vector of zeros, which somebody else wrote, has no direction.
      key === null || !Number.isFinite(distance) ? [] : [{ key, distance, chunk: chunkOf(position) }],
    );
    return { rows: found, examined: Number(rows[0].examined), isComplete: true };
  }

  async #run<Row>(statement: CompiledQuery): Promise<Row[]> {
    const parameters = statement.parameters.map((value) => (value === QUESTION ? this.#vector : value));
    return (await this.#db.executeQuery<Row>({ ...statement, parameters })).rows;
  }

  #statement(name: string, write: (statements: NearestSql) => RawBuilder<unknown>): CompiledQuery {
    const { limit, condition } = this.#options;
    const compile = (mark = sql``): CompiledQuery =>
      sql`${mark} ${write(new NearestSql(this.#searched, limit, condition))}`.compile(this.#db);
    if (condition !== undefined) return compile();
    const { source } = this.#searched;
    const statements = kept.get(source) ?? new Map<string, CompiledQuery>();
    kept.set(source, statements);
    const statement = statements.get(`${name} ${limit}`) ?? compile(sql.raw(PREPARED));
    statements.set(`${name} ${limit}`, statement);
    return statement;
  }
}

export interface Position {
  readonly chunk: number | null;
  readonly start_char: number;
  readonly end_char: number;
}

interface FoundRow extends Position {
  readonly unchanged: boolean;
  readonly examined: string;
  readonly key: string | null;
  readonly distance: number;
}

/** Undefined where texts are embedded whole. */
export function chunkOf({ chunk, start_char, end_char }: Position): Chunk | undefined {
  return chunk === null ? undefined : { number: chunk, start: start_char, end: end_char };
}
