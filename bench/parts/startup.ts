import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { endWithUs } from "../end-with-us.ts";
import { median } from "../median.ts";
import type { Bench } from "../part.ts";
import { atMost, type Section } from "../report.ts";
import { startProvider } from "../start-provider.ts";

const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
const LONGEST_MS = 60_000;

/** Time from the command until a change would be noticed. */
export async function startup({ server, quick, progress }: Bench): Promise<Section[]> {
  const provider = await startProvider({ dimensions: 8, latencyMs: 0 });
  const database = await server.template("startup", 8, 0);
  const seconds = { first: [] as number[], second: [] as number[], guest: [] as number[] };
  try {
    for (let turn = 0; turn < (quick ? 1 : 3); turn++) {
      progress(`turn ${turn + 1}`);
      const data = await mkdtemp(join(tmpdir(), "autoembed-bench-"));
      const embedded = { EMBED_DATA_DIR: join(data, "data"), EMBED_PORT: "0" };
      seconds.first.push(await timeStart(embedded, /postgres:\/\//));
      seconds.second.push(await timeStart(embedded, /postgres:\/\//));
      await rm(data, { recursive: true, force: true });
      const guest = {
        DATABASE_URL: server.urlOf(database),
        EMBEDDING_BACKEND: "llm_api",
        OPENAI_BASE_URL: provider.url,
        OPENAI_API_KEY: "none",
      };
      seconds.guest.push(await timeStart(guest, /listening for changes/));
    }
  } finally {
    provider.close();
  }
  await server.drop(database);
  return [
    {
      title: "Start",
      columns: ["", "seconds"],
      rows: [
        ["embedded, the first", median(seconds.first)],
        ["embedded, the second", median(seconds.second)],
        ["guest in a native Postgres", median(seconds.guest)],
      ],
      bars: [
        atMost("embedded, the second, under 6 s", median(seconds.second), 6, " s"),
        atMost("guest under 1 s", median(seconds.guest), 1, " s"),
      ],
    },
  ];
}

/** Seconds until `npm start` reports that it is ready. */
async function timeStart(environment: Record<string, string>, ready: RegExp): Promise<number> {
  const inherited = { PATH: process.env["PATH"], HOME: process.env["HOME"] };
  const started = performance.now();
  const child = spawn(process.execPath, [CLI, "start"], {
    env: { ...inherited, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: LONGEST_MS,
  });
  endWithUs(child);
  let seconds = Number.NaN;
  let output = "";
  const hear = (chunk: Buffer): void => {
    output += chunk.toString();
    if (!Number.isNaN(seconds) || !ready.test(output)) return;
    seconds = (performance.now() - started) / 1000;
    child.kill("SIGTERM");
  };
  child.stdout.on("data", hear);
  child.stderr.on("data", hear);
  await once(child, "close");
  if (Number.isNaN(seconds)) throw new Error(`npm start was never ready: ${output.slice(-500)}`);
  return seconds;
}
