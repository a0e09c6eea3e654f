import pg from "pg";
import { VectorArray } from "../../src/database/vector-array.ts";
import { connect } from "../../src/database/connect.ts";
import type { Provider } from "../../src/providers/provider.ts";
import { Searcher } from "../../src/search/searcher.ts";
import { median } from "../median.ts";
import { atMost, type Section } from "../report.ts";

const CONNECTIONS = 10;
const TOGETHER = [1, 20];
const QUESTIONS = 20;
/** Searches before those that are measured: the first hundreds are slower in both ways, until Node has compiled them. */
const WARM_UP = 500;

/** What `createSearch` adds to the same SQL over a pool, for questions that were asked before. */
export async function searchOverhead(
  url: string,
  size: number,
  searches: number,
  vectorOf: (question: number) => Float32Array,
): Promise<Section> {
  // As many candidates as our searches ask for.
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS, options: "-c hnsw.ef_search=200" });
  const db = connect({ databaseUrl: url, maxConnections: CONNECTIONS, ownSessions: true, plans: "chosen" });
  const vectors = Array.from({ length: QUESTIONS }, (_, question) => vectorOf(question));
  const known = (question: number): Float32Array => vectors[question % QUESTIONS] ?? new Float32Array();
  const provider = Promise.resolve(askedBefore((question) => known(Number(question))));
  const searcher = new Searcher({ db, providerOf: () => provider, timeoutMs: 10_000 });
  const ours = (i: number): Promise<unknown> =>
    searcher.search("patient_embeddings", String(i % QUESTIONS), { limit: 10 });
  const bare = (i: number): Promise<unknown> =>
    pool.query(
      "select patient_id, embedding <=> $1 as distance from patient_embeddings order by 2 limit 10",
      [`[${known(i).join(",")}]`],
    );
  try {
    const rows = [];
    const bars = [];
    for (const together of TOGETHER) {
      await each(WARM_UP, together, ours);
      await each(WARM_UP, together, bare);
      const [added, plain] = [[] as number[], [] as number[]];
      for (let turn = 0; turn < 3; turn++) {
        plain.push(...(await each(searches, together, bare)));
        added.push(...(await each(searches, together, ours)));
      }
      rows.push([`${together} at a time`, median(plain), median(added)]);
      bars.push(
        atMost(
          `${together} at a time: at most 1.5 ms over the SQL`,
          median(added) - median(plain),
          1.5,
          " ms",
        ),
      );
    }
    return {
      title: `A question that was asked before, of ${size} rows, ms`,
      columns: ["", "the SQL over a pool", "createSearch"],
      rows,
      bars,
    };
  } finally {
    await pool.end();
    await db.destroy();
  }
}

/** The times of `count` calls, `together` at a time. */
async function each(
  count: number,
  together: number,
  call: (i: number) => Promise<unknown>,
): Promise<number[]> {
  const times: number[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const started = performance.now();
      await call(next++);
      times.push(performance.now() - started);
    }
  };
  await Promise.all(Array.from({ length: together }, lane));
  return times;
}

/** A provider that knows the vector of each question at once. */
export function askedBefore(vectorOf: (question: string) => Float32Array): Provider {
  const dimensions = vectorOf("0").length;
  return {
    backend: "llm_api",
    model: "bench",
    dimensions,
    limits: { inputs: 1, characters: 1_000, textCharacters: 1_000 },
    fingerprint: "bench",
    earlierName: undefined,
    queryFingerprint: "bench",
    embed: (texts) => {
      const vectors = new VectorArray(texts.length, dimensions);
      for (const [i, text] of texts.entries()) vectors.setFloats(i, vectorOf(text));
      return Promise.resolve({ vectors, tokens: 1, areTokensEstimated: true, milliseconds: 0 });
    },
    ready: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}
