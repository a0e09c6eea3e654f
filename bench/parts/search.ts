import type pg from "pg";
import { connect } from "../../src/database/connect.ts";
import { buildIndex } from "../../src/search/build-index.ts";
import { nearest } from "../../src/search/nearest.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import type { Bench } from "../part.ts";
import { randomVector } from "../random-vector.ts";
import { atLeast, type Section } from "../report.ts";

const DIMENSIONS = 256;
const NEIGHBOURS = 10;
/** Texts have topics, so their vectors lie in clusters. Vectors without clusters would not test an index. */
const CLUSTERS = 100;
const FILTER = "patient_id % 10 = 0";

/** Recall against exact search, and queries per second on one connection, with the index that `npm run index` builds. */
export async function search({ server, quick }: Bench): Promise<Section[]> {
  const rows = quick ? 2_000 : 20_000;
  const queries = quick ? 20 : 100;
  const database = await server.template("search", DIMENSIONS, rows, (client) => fill(client, rows));
  const url = server.urlOf(database);
  const db = connect({ databaseUrl: url, maxConnections: 2, ownSessions: true });
  try {
    const [source] = await chooseSources(db, "patient_embeddings");
    if (source === undefined) throw new Error("nothing to search");
    const ask = async (where?: string) => {
      const found: string[][] = [];
      const started = performance.now();
      for (let i = 0; i < queries; i++) {
        const vector = clustered(rows + 1 + i);
        const near = await nearest(db, source, vector, { limit: NEIGHBOURS, withText: false, where });
        found.push(near.map(({ key }) => key));
      }
      return { found, perSecond: (1000 * queries) / (performance.now() - started) };
    };
    const exact = { all: await ask(), filtered: await ask(FILTER) };
    const signal = new AbortController().signal;
    const quiet = (): void => undefined;
    const index = await buildIndex(db, source, {
      database: { DATABASE_URL: url },
      now: true,
      memory: "256MB",
      onProgress: quiet,
      signal,
    });
    const indexed = { all: await ask(), filtered: await ask(FILTER) };
    const line = (name: string, kind: "all" | "filtered") => [
      name,
      exact[kind].perSecond,
      indexed[kind].perSecond,
      recall(exact[kind].found, indexed[kind].found),
    ];
    return [
      {
        title: `Search of ${rows} rows, ${DIMENSIONS} dimensions, top ${NEIGHBOURS}, one connection (index built in ${index.seconds.toFixed(1)} s)`,
        columns: ["", "exact queries/s", "indexed queries/s", "recall@10"],
        rows: [line("all rows", "all"), line("one row in ten, by --where", "filtered")],
        bars: [
          atLeast("recall@10 at least 0.95", recall(exact.all.found, indexed.all.found), 0.95),
          atLeast(
            "filtered, recall@10 at least 0.95",
            recall(exact.filtered.found, indexed.filtered.found),
            0.95,
          ),
        ],
      },
    ];
  } finally {
    await db.destroy();
    await server.drop(database);
  }
}

function recall(exact: readonly (readonly string[])[], found: readonly (readonly string[])[]): number {
  const shares = exact.map((keys, i) => keys.filter((key) => found[i]?.includes(key)).length / keys.length);
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
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
