import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Answered, Events } from "../events.ts";
import { addWaits } from "../timing/waits.ts";

const COUNTERS = ["embedded", "cached", "failed", "truncated", "requests", "tokens"] as const;
/** What answers teach a dry run about one model. */
const LESSONS = ["characters", "counted_tokens", "timed_texts", "request_ms"] as const;

/** Counts of two lengths: what one lacks is null. */
const WAITS_ADDED = sql`(
        select coalesce(array_agg(coalesce(w.stored, 0) + coalesce(w.added, 0) order by w.step), '{}')
        from unnest(u.waits, excluded.waits) with ordinality w(stored, added, step))`;

interface Counts extends Record<(typeof COUNTERS)[number] | (typeof LESSONS)[number], number> {
  /** The model that the lessons are about. */
  model: string | null;
  /** Of changed rows, how long they waited: see `addWaits`. */
  readonly waits: number[];
}

/** Counts what each source does and costs, until `flush` adds it to `embedding_usage`. */
export class Usage {
  readonly #counts = new Map<string, Counts>();

  constructor(events: Events) {
    for (const counter of ["embedded", "cached", "failed", "truncated"] as const) {
      events.on(counter, ({ source, rows }: { readonly source: string; readonly rows: number }) => {
        this.#of(source)[counter] += rows;
      });
    }
    for (const event of ["embedded", "cached"] as const) {
      events.on(event, ({ source, freshnessMs }) => {
        if (freshnessMs.length > 0) addWaits(this.#of(source).waits, freshnessMs);
      });
    }
    events.on("answered", (answer) => {
      const counts = this.#of(answer.source);
      counts.requests += 1;
      counts.tokens += answer.tokens;
      learn(counts, answer);
    });
  }

  /** Writes what was counted since the last call. What cannot be written now is written by the next call. */
  async flush(db: Database): Promise<void> {
    for (const [source, counts] of [...this.#counts]) {
      // Another call may have taken it while this one was writing.
      if (this.#counts.get(source) !== counts) continue;
      this.#counts.delete(source);
      try {
        await addToDay(db, source, counts);
      } catch (error) {
        this.#keep(source, counts);
        throw error;
      }
    }
  }

  #of(source: string): Counts {
    const counts = this.#counts.get(source) ?? noCounts();
    this.#counts.set(source, counts);
    return counts;
  }

  /** More may have been counted while the statement ran. */
  #keep(source: string, unwritten: Counts): void {
    const counts = this.#of(source);
    for (const counter of COUNTERS) counts[counter] += unwritten[counter];
    unwritten.waits.forEach((rows, step) => (counts.waits[step] = (counts.waits[step] ?? 0) + rows));
    if (counts.model !== null && counts.model !== unwritten.model) return;
    counts.model = unwritten.model;
    for (const lesson of LESSONS) counts[lesson] += unwritten[lesson];
  }
}

function noCounts(): Counts {
  const counters = { embedded: 0, cached: 0, failed: 0, truncated: 0, requests: 0, tokens: 0 };
  return {
    ...counters,
    waits: [],
    model: null,
    characters: 0,
    counted_tokens: 0,
    timed_texts: 0,
    request_ms: 0,
  };
}

function learn(counts: Counts, answer: Answered): void {
  const { model, texts, characters, tokens, areTokensEstimated, milliseconds, isFull } = answer;
  if (counts.model !== model) for (const lesson of LESSONS) counts[lesson] = 0;
  counts.model = model;
  // An answer that reports no tokens teaches nothing about them.
  if (tokens > 0 && !areTokensEstimated) {
    counts.characters += characters;
    counts.counted_tokens += tokens;
  }
  if (isFull) {
    counts.timed_texts += texts;
    counts.request_ms += Math.round(milliseconds);
  }
}

async function addToDay(db: Database, source: string, counts: Counts): Promise<void> {
  const columns = [...COUNTERS, ...LESSONS];
  const added = COUNTERS.map((name) => sql`${sql.id(name)} = u.${sql.id(name)} + excluded.${sql.id(name)}`);
  const learnt = LESSONS.map(
    (name) => sql`${sql.id(name)} = excluded.${sql.id(name)}
      + case when excluded.model <> u.model then 0 else u.${sql.id(name)} end`,
  );
  await sql`
    insert into autoembed.embedding_usage as u (source_id, model, waits, ${sql.join(columns.map((name) => sql.id(name)))})
    select id, ${counts.model}::text, ${counts.waits}::bigint[], ${sql.join(columns.map((name) => sql`${counts[name]}::bigint`))}
    from autoembed.embedding_source where name = ${source}
    on conflict (source_id, day) do update set
      model = coalesce(excluded.model, u.model), waits = ${WAITS_ADDED},
      ${sql.join([...added, ...learnt])}`.execute(db);
}
