import { withClient } from "../bench-database.ts";
import { median } from "../median.ts";
import type { Bench } from "../part.ts";
import { atLeast, type Section } from "../report.ts";
import { timeSubject } from "../run-subject.ts";
import { startProvider } from "../start-provider.ts";

const DIMENSIONS = 1536;

/** Backfill with every text's vector in the cache: no request is sent, and no vector passes through Node. */
export async function cached({ server, quick }: Bench): Promise<Section[]> {
  const rows = quick ? 2_000 : 20_000;
  const provider = await startProvider({ dimensions: DIMENSIONS, latencyMs: 0 });
  const template = await server.template("cached", DIMENSIONS, rows, async (client) => {
    await client.query(`
      with vectors as materialized (
        select n, (select array_agg(random() - 0.5) from generate_series(1, ${DIMENSIONS}) where n >= 0)::vector as vector
        from generate_series(0, 15) n)
      insert into autoembed.embedding_cache (model, text_hash, embedding)
      select 'llm_api/bench@${DIMENSIONS}', sha256(convert_to(p.context_text, 'UTF8')), v.vector
      from patient_embeddings p join vectors v on v.n = p.patient_id % 16`);
    await client.query("vacuum analyze autoembed.embedding_cache");
  });
  const ours: number[] = [];
  const bare: number[] = [];
  try {
    for (let turn = 0; turn < (quick ? 1 : 3); turn++) {
      let database = await server.fresh(template);
      const job = { subject: "ours", rows, batch: 128, lanes: 4 } as const;
      ours.push(rows / (await timeSubject(server, provider, database, job)).seconds);
      await server.drop(database);
      database = await server.fresh(template);
      bare.push(await updateFromCache(server.urlOf(database), rows));
      await server.drop(database);
    }
  } finally {
    provider.close();
    await server.drop(template);
  }
  return [
    {
      title: `Backfill of ${rows} rows from the cache`,
      columns: ["", "rows/s", "vs ours"],
      rows: [
        ["one update by hand", median(bare), `${(median(bare) / median(ours)).toFixed(2)}x`],
        ["ours", median(ours), "1.00x"],
      ],
      bars: [atLeast("at least 10,000 rows/s", median(ours), 10_000, " rows/s")],
    },
  ];
}

/** The least that this work can cost: one statement, without queue, locks and guards. */
async function updateFromCache(url: string, rows: number): Promise<number> {
  return withClient(url, async (client) => {
    const started = performance.now();
    await client.query(`
      update patient_embeddings p set embedding = e.embedding from autoembed.embedding_cache e
      where e.model = 'llm_api/bench@${DIMENSIONS}' and e.text_hash = sha256(convert_to(p.context_text, 'UTF8'))`);
    return (1000 * rows) / (performance.now() - started);
  });
}
