import { setTimeout as delay } from "node:timers/promises";
import { withClient } from "../bench-database.ts";
import type { Bench } from "../part.ts";
import { atMost, type Section } from "../report.ts";
import { startBatchProvider } from "../start-batch-provider.ts";
import { startCommand } from "../start-command.ts";

/** As text-embedding-3-large has them: a line of results has 16.5 kB. */
const DIMENSIONS = 3_072;
const LOOK_MS = 100;

/** What one batch with so many texts takes, and the memory of the process that reads its results. */
interface Read {
  readonly rows: number;
  readonly megabytes: number;
  readonly seconds: number;
  readonly peak: number;
  readonly lost: number;
}

/** A batch whose file of results is larger than the memory that is allowed, and one with a tenth of its lines. */
export async function batchFile({ server, quick, rows: asked, progress }: Bench): Promise<Section[]> {
  const rows = asked ?? (quick ? 3_700 : 37_000);
  const small = await readOne(server, Math.ceil(rows / 10));
  progress(`${small.rows} rows: ${small.megabytes.toFixed(0)} MB`);
  const large = await readOne(server, rows);
  return [
    {
      title: `a backfill by one batch, ${DIMENSIONS.toLocaleString("en")} dimensions: the file of its results, and the memory of the process`,
      columns: ["rows", "file, MB", "seconds", "most memory of Node, MB"],
      rows: [small, large].map((read) => [read.rows, read.megabytes, read.seconds, read.peak]),
      bars: [
        atMost("memory of Node under 200 MB", large.peak, 200, " MB"),
        atMost("rows without a vector", small.lost + large.lost, 0),
      ],
    },
  ];
}

async function readOne(server: Bench["server"], rows: number): Promise<Read> {
  const database = await server.template(`batch_file_${rows}`, DIMENSIONS, 0, (client) =>
    client.query(
      `insert into patient_embeddings (patient_id, context_text) select n, 'note ' || n from generate_series(1, ${rows}) n`,
    ),
  );
  const provider = await startBatchProvider({ dimensions: DIMENSIONS, latencyMs: 0 });
  const url = server.urlOf(database);
  try {
    const begun = performance.now();
    const command = startCommand(["backfill", "--batch", "--json"], url, provider.url, {
      EMBED_BATCH_API_TEXTS: String(rows),
      // As `npm start` and the image have it.
      MALLOC_TRIM_THRESHOLD_: "131072",
    });
    let peak = 0;
    while (command.isRunning) {
      const megabytes = await command.peak();
      // NaN once it has ended.
      if (megabytes > peak) peak = megabytes;
      await delay(LOOK_MS);
    }
    const code = await command.closed;
    if (code !== 0) throw new Error(`the backfill ended with ${code ?? "a signal"}`);
    const seconds = (performance.now() - begun) / 1000;
    const { servedBytes } = await provider.counts();
    const lost = await withClient(url, async (client) => {
      const without = "select from patient_embeddings where embedding is null";
      return (await client.query(without)).rowCount ?? 0;
    });
    return { rows, megabytes: servedBytes / 1e6, seconds, peak, lost };
  } finally {
    provider.close();
    await server.drop(database);
  }
}
