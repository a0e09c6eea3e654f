import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { isDatabaseError } from "../database/database-fault.ts";
import { quoted } from "../database/identifier.ts";
import { UsageError } from "../errors.ts";
import { distance, vectorType } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { comparedDistance, dimensionsOf } from "./comparable.ts";
import { withBuilder, type Build, type BuildOptions } from "./index-builder.ts";
import { writeIndexKind, type IndexKind } from "./index-kind.ts";
import { indexRounds } from "./index-rounds.ts";
import { indexShape } from "./index-shape.ts";
import { takeSample, type Sample } from "./vector-sample.ts";
import { QUERY_CANCELED } from "../sqlstate.ts";

export interface MeasureOptions extends BuildOptions {
  readonly kinds: readonly IndexKind[];
  /** Vectors that are indexed, at most. */
  readonly sample: number;
}

interface Measurement {
  /** Undefined for comparing every vector. */
  readonly kind: IndexKind | undefined;
  /** The share of the ten nearest that it finds, on average, from 0 to 1. */
  readonly recall: number;
  /** The median of a question, in milliseconds. */
  readonly ms: number;
  /** Of the index on the sample, in bytes. */
  readonly bytes: number;
}

export interface Measured extends Sample {
  readonly questions: number;
  readonly measurements: readonly Measurement[];
}

const NEIGHBOURS = 10;
const QUESTIONS = 50;
/** One build or question. */
const MOST_MS = 600_000;

/**
 * Builds each kind of index on a sample of a source's vectors, one after the other, and asks it for the rows nearest to some of
 * them. The sample is in a temporary table, which ends with this call's own session; the source is only read.
 * @throws {SetupError} if the vectors cannot be indexed so; {UsageError} if there are too few, or if it takes too long
 */
export async function measureIndexes(
  db: Database,
  source: Source,
  options: MeasureOptions,
): Promise<Measured> {
  for (const kind of options.kinds) indexShape(source, kind);
  const table = quoted(source.vectorTable ?? source);
  try {
    return await withBuilder(table, options, async (_, build, session) => {
      await sql`select set_config('statement_timeout', ${String(MOST_MS)}, false)`.execute(session);
      options.onProgress(`reading ${options.sample} vectors of ${table}`);
      const sample = await takeSample(session, source, options.sample);
      return await new Measuring(session, build, source, options).all(sample);
    });
  } catch (error) {
    options.signal.throwIfAborted();
    if (!isDatabaseError(error) || error.code !== QUERY_CANCELED) throw error;
    throw new UsageError(
      `One step took more than ${MOST_MS / 60_000} minutes.`,
      "Measure fewer vectors (--sample), or give the builds more memory (--memory).",
    );
  }
}

class Measuring {
  readonly #session: Database;
  readonly #build: Build;
  /** With the sample's column in place of its own. */
  readonly #source: Source;
  readonly #options: MeasureOptions;

  constructor(session: Database, build: Build, source: Source, options: MeasureOptions) {
    this.#session = session;
    this.#build = build;
    this.#source = { ...source, vectorColumn: "vector", columnDimensions: dimensionsOf(source) };
    this.#options = options;
  }

  async all(sample: Sample): Promise<Measured> {
    const questions = Array.from(
      { length: QUESTIONS },
      (_, i) => 1 + Math.floor((i * sample.taken) / QUESTIONS),
    );
    const exact = await this.#ask(questions, undefined);
    const measurements: Measurement[] = [{ kind: undefined, recall: 1, ms: exact.ms, bytes: 0 }];
    for (const kind of this.#options.kinds) {
      this.#options.onProgress(`building ${writeIndexKind(kind)} on ${sample.taken} vectors`);
      const { expression, operators, storage } = indexShape(this.#source, kind);
      await this.#build(
        `create index sampled on pg_temp.sample using hnsw (${expression} ${operators}) ${storage}`,
      );
      const found = await this.#ask(questions, kind);
      const { rows } = await sql<{
        bytes: number;
      }>`select pg_relation_size('pg_temp.sampled')::float8 as bytes`.execute(this.#session);
      await this.#build("drop index pg_temp.sampled");
      measurements.push({
        kind,
        recall: recallOf(exact.keys, found.keys),
        ms: found.ms,
        bytes: rows[0]?.bytes ?? 0,
      });
    }
    return { ...sample, questions: QUESTIONS, measurements };
  }

  /** The neighbours of each question, without itself, and the median time. The first round fills the caches. */
  async #ask(
    questions: readonly number[],
    kind: IndexKind | undefined,
  ): Promise<{ keys: readonly (readonly number[])[]; ms: number }> {
    const keys: (readonly number[])[] = [];
    const times: number[] = [];
    // A sample may be so small that the planner would rather read all of it.
    await sql`select set_config('enable_seqscan', ${kind === undefined ? "on" : "off"}, false)`.execute(
      this.#session,
    );
    for (const round of ["warm", "measured"]) {
      for (const question of questions) {
        this.#options.signal.throwIfAborted();
        const { rows } = await sql<{ vector: string }>`
          select vector::text as vector from pg_temp.sample where id = ${question}`.execute(this.#session);
        const asked = sql`${rows[0]?.vector ?? ""}::${vectorType(this.#source)}`;
        const started = performance.now();
        const found = await this.#nearest(asked, kind);
        if (round === "warm") continue;
        times.push(performance.now() - started);
        keys.push(found.filter((id) => id !== question).slice(0, NEIGHBOURS));
      }
    }
    return { keys, ms: times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0 };
  }

  /** As a search looks for them. One more than is wanted: the nearest is the question itself. */
  async #nearest(asked: RawBuilder<unknown>, kind: IndexKind | undefined): Promise<number[]> {
    const limit = NEIGHBOURS + 1;
    const exact = sql`(${distance(this.#source, sql`vector`, asked)}) + 0`;
    const [round] = kind === undefined ? [] : indexRounds(kind, limit, { isChunked: false });
    const settings = Object.entries(round?.settings ?? {}).map(
      ([name, value]) => sql`set_config(${name}, ${value}, true)`,
    );
    const near =
      kind === undefined
        ? sql`pg_temp.sample`
        : sql`(select id, vector from pg_temp.sample where (select num_nulls(${sql.join(settings)}) = 0)
            order by ${comparedDistance(this.#source, kind, sql`vector`, asked)} limit ${round?.wanted ?? limit})`;
    const { rows } = await sql<{ id: number }>`
      with near as materialized (select * from ${near} n)
      select id from near order by ${exact} limit ${limit}`.execute(this.#session);
    return rows.map(({ id }) => id);
  }
}

function recallOf(exact: readonly (readonly number[])[], found: readonly (readonly number[])[]): number {
  const shares = exact.map((keys, i) => keys.filter((key) => found[i]?.includes(key)).length / keys.length);
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}
