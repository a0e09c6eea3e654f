import { sql } from "kysely";
import type pg from "pg";
import { connect, type Database } from "../../src/database/connect.ts";
import { buildIndex } from "../../src/search/build-index.ts";
import { nearest } from "../../src/search/nearest.ts";
import { loadSearched, type Searched } from "../../src/search/searched.ts";
import { median } from "../median.ts";
import type { Bench } from "../part.ts";
import { randomVector } from "../random-vector.ts";
import { atLeast, atMost, type Section } from "../report.ts";
import { askOverhead } from "./ask-overhead.ts";
import { hybridTime } from "./hybrid-time.ts";
import { searchOverhead } from "./search-overhead.ts";

const DIMENSIONS = 256;
const NEIGHBOURS = 10;
/** Texts have topics, so their vectors lie in clusters. Vectors without clusters would not test an index. */
const CLUSTERS = 200;
/** Of the table that `createSearch` is measured on. */
const OVERHEAD_ROWS = 20_000;

interface Way {
  readonly name: string;
  /** SQL over the table's columns, for a question of that cluster and a table of that size. */
  readonly where?: (cluster: number, size: number) => string;
}

const ALL: Way = { name: "all rows" };
const FILTERED: readonly Way[] = [
  { name: "10 %, a column", where: () => "patient_id % 10 = 0" },
  { name: "1 %, a column", where: (_, size) => `patient_id <= ${size / 100}` },
  { name: "0.1 %, an expression", where: () => "(patient_id * 7919) % 1000 = 7" },
  { name: "0.02 %, an expression", where: () => "(patient_id * 7919) % 5000 = 7" },
  {
    name: "0.5 %, of another cluster than the question's",
    where: (cluster) => `patient_id % ${CLUSTERS} = ${(cluster + 77) % CLUSTERS}`,
  },
];

/** Recall against exact search, time a question, and answers shorter than they could be, with the index that `npm run index` builds. */
export async function search(bench: Bench): Promise<Section[]> {
  const { quick, rows, progress } = bench;
  const size = rows ?? (quick ? 2_000 : 100_000);
  const questions = quick ? 10 : 50;
  const vectorOf = (i: number): Float32Array => clustered(size + 1 + i);
  progress("building the index");
  const fewer = Math.min(size, OVERHEAD_ROWS);
  const overhead = await withIndex(bench, fewer, ({ url }) =>
    searchOverhead(url, fewer, questions * 10, vectorOf),
  );
  return await withIndex(bench, size, async ({ url, db, seconds }) => {
    progress("searching");
    const searched = await loadSearched(db, "patient_embeddings");
    const results = [];
    for (const way of [ALL, ...FILTERED])
      results.push(compare(way.name, await askBoth(db, searched, way, size, questions)));
    return [
      {
        title: `Search of ${size} rows, ${DIMENSIONS} dimensions, top ${NEIGHBOURS}, one connection (index built in ${seconds.toFixed(1)} s)`,
        columns: ["", "exact, ms", "with the index, ms", "recall@10", "short answers"],
        rows: results.map(({ name, exactMs, ms, recall, short }) => [name, exactMs, ms, recall, short]),
        bars: [
          atLeast(
            "all rows, times the speed of exact",
            (results[0]?.exactMs ?? 0) / (results[0]?.ms ?? 1),
            5,
            "x",
          ),
          ...results.map(({ name, recall }) => atLeast(`${name}: recall@10 at least 0.99`, recall, 0.99)),
          ...results.map(({ name, short }) => atMost(`${name}: short answers`, short, 0)),
          ...results.map(({ name, ms, exactMs }) =>
            atMost(`${name}: at most 1.5x exact`, ms / exactMs, 1.5, "x"),
          ),
        ],
      },
      overhead,
      await askOverhead(url, DIMENSIONS, questions),
      await hybridTime(url, size, questions, vectorOf),
    ];
  });
}

interface Indexed {
  readonly url: string;
  readonly db: Database;
  /** What the index took. */
  readonly seconds: number;
}

/** Works with a table of that size, and its index, in a database of its own. */
async function withIndex<T>(
  { server }: Bench,
  size: number,
  work: (indexed: Indexed) => Promise<T>,
): Promise<T> {
  const name = `search_${size}`;
  const database = await server.template(name, DIMENSIONS, size, (client) => fill(client, size));
  const url = server.urlOf(database);
  const db = connect({ databaseUrl: url, maxConnections: 2, ownSessions: true });
  try {
    const { source } = await loadSearched(db, "patient_embeddings");
    const { seconds } = await buildIndex(db, source, {
      database: { DATABASE_URL: url },
      now: true,
      memory: "1GB",
      onProgress: () => undefined,
      signal: new AbortController().signal,
    });
    return await work({ url, db, seconds });
  } finally {
    await db.destroy();
    await server.drop(database);
  }
}

interface Answer {
  readonly keys: readonly string[];
  readonly ms: number;
}

interface Answers {
  readonly exact: Answer[];
  readonly indexed: Answer[];
}

/** In turns, question by question: what else the machine does slows both alike. */
async function askBoth(
  db: Database,
  searched: Searched,
  { where }: Way,
  size: number,
  questions: number,
): Promise<Answers> {
  const answers: Answers = { exact: [], indexed: [] };
  for (let i = 0; i < questions; i++) {
    const id = size + 1 + i;
    const condition = where === undefined ? undefined : () => sql`(${sql.raw(where(id % CLUSTERS, size))})`;
    const ask = async (as: Searched): Promise<Answer> => {
      const started = performance.now();
      const found = await nearest(db, as, `[${clustered(id).join(",")}]`, { limit: NEIGHBOURS, condition });
      return { keys: found.map(({ key }) => key), ms: performance.now() - started };
    };
    answers.exact.push(await ask({ ...searched, index: undefined }));
    answers.indexed.push(await ask(searched));
  }
  return answers;
}

function compare(name: string, { exact, indexed }: Answers) {
  const shares = exact.map(
    ({ keys }, i) => keys.filter((key) => indexed[i]?.keys.includes(key)).length / keys.length,
  );
  return {
    name,
    exactMs: median(exact.map(({ ms }) => ms)),
    ms: median(indexed.map(({ ms }) => ms)),
    recall: shares.reduce((sum, share) => sum + share, 0) / shares.length,
    short: indexed.filter(({ keys }, i) => keys.length < (exact[i]?.keys.length ?? 0)).length,
  };
}

async function fill(client: pg.Client, rows: number): Promise<void> {
  const batch = 500;
  for (let first = 1; first <= rows; first += batch) {
    const ids = Array.from({ length: Math.min(batch, rows - first + 1) }, (_, i) => first + i);
    await client.query(
      "update patient_embeddings p set embedding = v.vector::vector from unnest($1::bigint[], $2::text[]) v(id, vector) where p.patient_id = v.id",
      [ids, ids.map((id) => `[${clustered(id).join(",")}]`)],
    );
  }
}

function clustered(id: number): Float32Array {
  const centre = randomVector(DIMENSIONS, 1_000_000 + (id % CLUSTERS));
  const own = randomVector(DIMENSIONS, id);
  return centre.map((value, i) => value + 0.7 * (own[i] ?? 0));
}
