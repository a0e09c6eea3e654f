import type pg from "pg";
import { withClient } from "../bench-database.ts";
import { median } from "../median.ts";
import type { Bench } from "../part.ts";
import { atLeast, atMost, type Section } from "../report.ts";
import { timeSubject } from "../run-subject.ts";
import { startProvider } from "../start-provider.ts";

const DIMENSIONS = 1536;

/**
 * Backfill of rows whose texts other rows have, with their vectors: nothing is asked of the provider, and no vector passes
 * through Node.
 */
export async function cached({ server, quick, progress }: Bench): Promise<Section[]> {
  const rows = quick ? 2_000 : 20_000;
  const provider = await startProvider({ dimensions: DIMENSIONS, latencyMs: 0 });
  const job = { subject: "ours", rows, batch: 128, lanes: 4 } as const;
  const template = await server.template("cached", DIMENSIONS, rows);
  progress(`embedding ${rows} rows, to which others will be equal`);
  await timeSubject(server, provider, template, job);
  await withClient(server.urlOf(template), (client) => insertTwins(client, rows));
  await provider.counts();
  const ours: number[] = [];
  const bare: number[] = [];
  let texts = 0;
  try {
    for (let turn = 0; turn < (quick ? 1 : 3); turn++) {
      progress(`turn ${turn + 1}`);
      let database = await server.fresh(template);
      ours.push(rows / (await timeSubject(server, provider, database, job)).seconds);
      await server.drop(database);
      database = await server.fresh(template);
      bare.push(await updateByHand(server.urlOf(database), rows));
      await server.drop(database);
    }
    texts = (await provider.counts()).texts;
  } finally {
    provider.close();
  }
  await server.drop(template);
  return [
    {
      title: `Backfill of ${rows.toLocaleString("en")} rows whose texts have vectors in other rows`,
      columns: ["", "rows/s", "vs ours"],
      rows: [
        ["one update by hand", median(bare), `${(median(bare) / median(ours)).toFixed(2)}x`],
        ["ours", median(ours), "1.00x"],
      ],
      bars: [
        atLeast("at least 10,000 rows/s", median(ours), 10_000, " rows/s"),
        atMost("texts sent to the provider per turn, its probe included", texts / ours.length, 1),
      ],
    },
  ];
}

/** A second row for each text, with no vector and not queued. */
async function insertTwins(client: pg.Client, rows: number): Promise<void> {
  await client.query("set session_replication_role = replica");
  await client.query(
    "insert into patient_embeddings (patient_id, context_text) select patient_id + $1, context_text from patient_embeddings",
    [rows],
  );
  await client.query("vacuum analyze");
}

/** The least that this work can cost: one statement, without queue, locks and guards. */
async function updateByHand(url: string, rows: number): Promise<number> {
  return withClient(url, async (client) => {
    const started = performance.now();
    await client.query(
      "update patient_embeddings p set embedding = o.embedding from patient_embeddings o where o.patient_id = p.patient_id - $1",
      [rows],
    );
    return (1000 * rows) / (performance.now() - started);
  });
}
