import type pg from "pg";
import { withClient } from "../bench-database.ts";
import type { Bench } from "../part.ts";
import { atMost, type Section } from "../report.ts";
import { runBackfillCommand } from "../run-backfill-command.ts";
import { startProvider } from "../start-provider.ts";

const DIMENSIONS = 8;
const SAMPLE_MS = 1_000;
const SHOWN_EVERY = 10;
const MEGABYTE = 2 ** 20;

interface Sizes {
  /** Megabytes of each table with its indexes. */
  readonly tables: ReadonlyMap<string, number>;
  readonly all: number;
}

/** What a backfill of a large table keeps meanwhile, in our tables and in memory, when nothing is queued beforehand. */
export async function state({ server, quick, rows: asked, progress }: Bench): Promise<Section[]> {
  const rows = asked ?? (quick ? 20_000 : 1_000_000);
  const provider = await startProvider({ dimensions: DIMENSIONS, latencyMs: 0 });
  const database = await server.template("state", DIMENSIONS, 0, (client) =>
    client.query(
      `insert into patient_embeddings (patient_id, context_text) select n, 'note ' || n from generate_series(1, ${rows}) n`,
    ),
  );
  const url = server.urlOf(database);
  const most = new Map<string, number>();
  let mostAtOnce = 0;
  let memory = Number.NaN;
  let samples = 0;
  const started = performance.now();
  await withClient(url, async (client) => {
    await runBackfillCommand(url, provider.url, SAMPLE_MS, async (megabytes) => {
      const { tables, all } = await sizesOf(client);
      for (const [table, size] of tables) most.set(table, Math.max(size, most.get(table) ?? 0));
      mostAtOnce = Math.max(mostAtOnce, all);
      memory = Number.isNaN(megabytes) ? memory : megabytes;
      if (samples++ % SHOWN_EVERY === 0)
        progress(`${await embedded(client)} of ${rows} rows, state ${all.toFixed(1)} MB`);
    });
    // A process that has ended is not counted as done: its rows are.
    const left = rows - (await countVectors(client));
    if (left > 0) throw new Error(`${left} rows have no vector`);
  });
  const seconds = (performance.now() - started) / 1000;
  provider.close();
  await server.drop(database);
  return [
    {
      title: `State of a backfill of ${rows.toLocaleString("en")} rows, ${DIMENSIONS} dimensions, 512 x 4: ${seconds.toFixed(0)} s, ${samples} samples`,
      columns: ["", "at most, MB"],
      rows: [
        ...[...most].filter(([, size]) => size >= 0.1).sort(([, a], [, b]) => b - a),
        ["our tables together, but for ledger and cache", mostAtOnce],
        ["memory of Node", memory],
      ],
      bars: [
        atMost("our tables under 5 MB throughout", mostAtOnce, 5, " MB"),
        atMost("Node under 200 MB", memory, 200, " MB"),
      ],
    },
  ];
}

/** All tables of ours but those that have an entry per row for good. */
async function sizesOf(client: pg.Client): Promise<Sizes> {
  const { rows } = await client.query<{ name: string; bytes: string }>(`
    select c.relname as name, pg_total_relation_size(c.oid) as bytes
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'autoembed' and c.relkind = 'r' and c.relname !~ 'ledger|cache' order by name`);
  const tables = new Map(rows.map(({ name, bytes }) => [name, Number(bytes) / MEGABYTE]));
  return { tables, all: [...tables.values()].reduce((sum, size) => sum + size, 0) };
}

/** By the statistics: to count a million rows takes a tenth of a second of both cores' time. */
async function embedded(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ updates: string }>(
    "select n_tup_upd as updates from pg_stat_user_tables where relid = 'patient_embeddings'::regclass",
  );
  return rows[0]?.updates ?? "0";
}

async function countVectors(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    "select count(embedding)::int as count from patient_embeddings",
  );
  return rows[0]?.count ?? 0;
}
