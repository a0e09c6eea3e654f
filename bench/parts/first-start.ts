import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { endWithUs } from "../end-with-us.ts";
import { median } from "../median.ts";
import type { Bench } from "../part.ts";
import { atMost, type Section } from "../report.ts";
import { peakMegabytes } from "../run-backfill-command.ts";
import { noteOf } from "../texts.ts";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const LONGEST_MS = 120_000;
/** Texts of a usual length, so that the model has full jobs. */
const NOTES = 64;

/**
 * The first `npm start`: a new data folder, the embedded Postgres, the local model. The script's own shell becomes the
 * process that is measured; npm only waits for it.
 */
export async function firstStart({ quick, progress }: Bench): Promise<Section[]> {
  const ready: Moment[] = [];
  const embedded: Moment[] = [];
  for (let turn = 0; turn < (quick ? 1 : 5); turn++) {
    progress(`turn ${turn + 1}`);
    const data = await mkdtemp(join(tmpdir(), "autoembed-bench-"));
    try {
      const { atReady, atEmbedded } = await oneStart(join(data, "data"));
      ready.push(atReady);
      embedded.push(atEmbedded);
    } finally {
      await rm(data, { recursive: true, force: true });
    }
  }
  const most = Math.max(...embedded.map(({ peak }) => peak));
  const row = (label: string, moments: readonly Moment[]) => [
    label,
    median(moments.map(({ seconds }) => seconds)),
    median(moments.map(({ peak }) => peak)),
    Math.max(...moments.map(({ peak }) => peak)),
  ];
  return [
    {
      title: "First start: embedded Postgres and local model, in a new data folder",
      columns: ["", "seconds", "peak MB", "at most"],
      rows: [row("ready", ready), row(`${String(NOTES)} notes embedded`, embedded)],
      bars: [atMost("memory of the first start under 500 MB", most, 500, " MB")],
    },
  ];
}

interface Moment {
  readonly seconds: number;
  /** The most memory so far, as Linux counts it (VmHWM), in MB. */
  readonly peak: number;
}

async function oneStart(data: string): Promise<{ atReady: Moment; atEmbedded: Moment }> {
  const { PATH, HOME } = process.env;
  const began = performance.now();
  const child = spawn("sh", ["-c", await startScript()], {
    cwd: PROJECT,
    env: { PATH, HOME, EMBED_DATA_DIR: data, EMBED_PORT: "0" },
    stdio: ["ignore", "pipe", "ignore"],
    timeout: LONGEST_MS,
  });
  endWithUs(child);
  const closed = once(child, "close");
  const now = async (): Promise<Moment> => ({
    seconds: (performance.now() - began) / 1000,
    peak: await peakMegabytes(child.pid),
  });
  try {
    const url = await printedUrl(child);
    const atReady = await now();
    await embedNotes(url);
    return { atReady, atEmbedded: await now() };
  } finally {
    child.kill("SIGTERM");
    await closed;
  }
}

/** What `npm start` runs. */
async function startScript(): Promise<string> {
  const { scripts } = JSON.parse(await readFile(join(PROJECT, "package.json"), "utf8")) as {
    readonly scripts: { readonly start: string };
  };
  return scripts.start;
}

/** Reads on after it, so that the process can go on printing. */
function printedUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      output += String(chunk);
      const [url] = /^postgres:\/\/\S+$/m.exec(output) ?? [];
      if (url !== undefined) resolve(url);
    });
    child.on("close", () => {
      reject(new Error(`npm start was never ready: ${output.slice(-500)}`));
    });
  });
}

async function embedNotes(url: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const texts = Array.from({ length: NOTES }, (_, number) => noteOf(number));
    await client.query(
      "insert into patient_embeddings (patient_id, context_text) select n, t from unnest($1::text[]) with ordinality as notes (t, n)",
      [texts],
    );
    const isDone = async (): Promise<boolean> => {
      const result = await client.query("select from patient_embeddings where embedding is null limit 1");
      return result.rowCount === 0;
    };
    const end = Date.now() + LONGEST_MS;
    while (!(await isDone())) {
      if (Date.now() > end) throw new Error("The notes of the first start were never embedded.");
      await delay(50);
    }
  } finally {
    await client.end();
  }
}
