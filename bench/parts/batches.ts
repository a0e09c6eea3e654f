import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { oracleVector } from "../../test/support/oracle-vector.ts";
import { withClient } from "../bench-database.ts";
import { median } from "../median.ts";
import type { Bench } from "../part.ts";
import { atMost, type Section } from "../report.ts";
import { startBatchProvider, type BatchCounts } from "../start-batch-provider.ts";
import { startCommand, type RunningCommand } from "../start-command.ts";

const DIMENSIONS = 8;
/** Of a request to the provider. */
const LATENCY_MS = 50;
const PROBES = 20;
const LOOK_MS = 20;
const PAGE = 10_000;
const BACKFILL = ["backfill", "--batch", "--json"];

/** What users see at one time: milliseconds until their change is current, and until their question is answered. */
interface Felt {
  readonly changes: number[];
  readonly questions: number[];
}

/** A backfill by batch whose process is killed three times, and what users see meanwhile. */
export async function batches({ server, quick, rows: asked, progress }: Bench): Promise<Section[]> {
  const rows = asked ?? (quick ? 10_000 : 100_000);
  const texts = quick ? 2_500 : 50_000;
  const database = await server.template("batches", DIMENSIONS, 0, (client) =>
    client.query(
      `insert into patient_embeddings (patient_id, context_text) select n, 'note ' || n from generate_series(1, ${rows}) n`,
    ),
  );
  const url = server.urlOf(database);
  const provider = await startBatchProvider({ dimensions: DIMENSIONS, latencyMs: LATENCY_MS });
  const peaks: number[] = [];
  const start = (...args: string[]): RunningCommand =>
    startCommand(args, url, provider.url, { EMBED_BATCH_API_TEXTS: String(texts) });
  const killWhen = async (killed: RunningCommand, isTime: () => Promise<boolean>): Promise<void> => {
    while (!(await isTime())) await delay(LOOK_MS);
    peaks.push(await killed.peak());
    await killed.kill("SIGKILL");
    progress("SIGKILL");
  };
  const begun = performance.now();
  try {
    return await withClient(url, async (client) => {
      await provider.counts({ isHeld: true, losesFiles: 1 });
      await killWhen(start(...BACKFILL), async () => (await provider.counts()).uploads > 0);
      await killWhen(start(...BACKFILL), async () => (await provider.counts()).batches * texts >= rows);
      const third = start(...BACKFILL);
      await untilListening(client, third);
      progress("all batches are at the provider");
      const waiting = await feel(client, "waiting", (done) => done < PROBES);
      await provider.counts({ isHeld: false });
      await killWhen(third, async () => (await embedded(client, rows)) > rows / 5);
      const listener = start("start");
      await untilListening(client, listener);
      const last = start(...BACKFILL);
      const writing = await feel(client, "writing", () => last.isRunning);
      const code = await last.closed;
      if (code !== 0) throw new Error(`the backfill ended with ${code ?? "a signal"}`);
      const seconds = (performance.now() - begun) / 1000;
      progress(`done after ${seconds.toFixed(0)} s`);
      await untilTidy(client);
      const idle = await feel(client, "idle", (done) => done < PROBES);
      peaks.push(await listener.peak());
      progress(`megabytes: ${peaks.map((peak) => peak.toFixed(0)).join(", ")}`);
      await listener.kill("SIGTERM");
      const counts = await provider.counts();
      if (counts.paidTwice.length > 0) progress(`paid for twice: ${counts.paidTwice.slice(0, 5).join(", ")}`);
      const table = await compare(client);
      return [report(rows, texts, seconds, { waiting, writing, idle }, counts, table, Math.max(...peaks))];
    });
  } finally {
    provider.close();
    await server.drop(database);
  }
}

/** The listener ends what the command has left: files at the provider. */
async function untilTidy(client: pg.Client): Promise<void> {
  while ((await client.query("select from autoembed.embedding_batch limit 1")).rowCount !== 0)
    await delay(LOOK_MS);
}

async function untilListening(client: pg.Client, { pid }: RunningCommand): Promise<void> {
  const registered = "select from autoembed.embedding_listener where pid = $1";
  while ((await client.query(registered, [pid])).rowCount === 0) await delay(LOOK_MS);
}

/** Changes a row and asks a question, in turns. */
async function feel(client: pg.Client, name: string, goesOn: (done: number) => boolean): Promise<Felt> {
  const felt: Felt = { changes: [], questions: [] };
  for (let turn = 0; goesOn(turn); turn++) {
    const changed = performance.now();
    const { rows } = await client.query<{ id: string }>(
      `insert into patient_embeddings (patient_id, context_text)
       select max(patient_id) + 1, $1 from patient_embeddings returning patient_id as id`,
      [`a change while ${name}, ${turn}`],
    );
    const current = "select from patient_embeddings where patient_id = $1 and embedding is not null";
    while ((await client.query(current, [rows[0]?.id])).rowCount === 0) await delay(2);
    felt.changes.push(performance.now() - changed);
    const questioned = performance.now();
    await client.query("call autoembed.ask('patient_embeddings', $1)", [`a question while ${name}, ${turn}`]);
    felt.questions.push(performance.now() - questioned);
    await delay(100);
  }
  return felt;
}

/** Rows of the backfill that have a vector. */
async function embedded(client: pg.Client, rows: number): Promise<number> {
  const counted = await client.query<{ count: number }>(
    "select count(embedding)::int as count from patient_embeddings where patient_id <= $1",
    [rows],
  );
  return counted.rows[0]?.count ?? 0;
}

/** Each row against the one right vector for its text. */
async function compare(client: pg.Client): Promise<{ lost: number; wrong: number }> {
  const table = { lost: 0, wrong: 0 };
  for (let after = "0"; ;) {
    const { rows } = await client.query<{ id: string; text: string; vector: string | null }>(
      `select patient_id as id, context_text as text, embedding as vector from patient_embeddings
       where patient_id > $1 order by patient_id limit ${PAGE}`,
      [after],
    );
    for (const { text, vector } of rows) {
      if (vector === null) table.lost++;
      else if (
        String(Float32Array.from(JSON.parse(vector) as number[])) !== String(oracleVector(text, DIMENSIONS))
      )
        table.wrong++;
    }
    const last = rows.at(-1);
    if (last === undefined) return table;
    after = last.id;
  }
}

function report(
  rows: number,
  texts: number,
  seconds: number,
  { waiting, writing, idle }: { waiting: Felt; writing: Felt; idle: Felt },
  counts: BatchCounts,
  { lost, wrong }: { lost: number; wrong: number },
  megabytes: number,
): Section {
  const row = (name: string, { changes, questions }: Felt) => [
    name,
    changes.length,
    median(changes),
    Math.max(...changes),
    median(questions),
    Math.max(...questions),
  ];
  const over = (felt: Felt): number => median(felt.questions) - median(idle.questions);
  return {
    title:
      `${rows.toLocaleString("en")} rows by batches of ${texts.toLocaleString("en")}, ${DIMENSIONS} dimensions, three SIGKILLs: ` +
      `${seconds.toFixed(0)} s; ${counts.batches} batches, ${counts.batched} texts by them, ${counts.live} by requests of ` +
      `${LATENCY_MS} ms, ${counts.lost} lost by the provider`,
    columns: ["", "turns", "a change is current, ms", "longest", "a question, ms", "longest"],
    rows: [
      row("the batches are at the provider", waiting),
      row("their vectors are written", writing),
      row("nothing is under way", idle),
    ],
    bars: [
      atMost("rows lost", lost, 0),
      atMost("rows wrong", wrong, 0),
      atMost("texts paid for twice, beyond what the provider has lost", counts.paidTwice.length, 0),
      atMost("files left at the provider", counts.files, 0),
      atMost(
        "a change is current within 2 s",
        Math.max(...waiting.changes, ...writing.changes) / 1000,
        2,
        " s",
      ),
      atMost(
        "a question within one request's time of idle",
        Math.max(over(waiting), over(writing)),
        LATENCY_MS,
        " ms",
      ),
      atMost("memory of Node under 200 MB", megabytes, 200, " MB"),
    ],
  };
}
