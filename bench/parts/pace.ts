import { setTimeout as delay } from "node:timers/promises";
import { withClient } from "../bench-database.ts";
import type { Bench } from "../part.ts";
import { atLeast, atMost, type Section } from "../report.ts";
import { startListener } from "../start-listener.ts";
import { startProvider } from "../start-provider.ts";

const PER_MINUTE = 600;
const LATENCY_MS = 100;
const BATCH = 4;
/** More than the limit lets through, so that the queue is never empty. */
const ROWS_PER_MINUTE = 1.25 * PER_MINUTE * BATCH;

/** How much of a rate limit is used by one listener and by four, and how many requests are refused. */
export async function pace({ server, quick, progress }: Bench): Promise<Section[]> {
  const minutes = quick ? 1 : 2;
  const template = await server.template("pace", 8, ROWS_PER_MINUTE * minutes);
  const results = [];
  for (const windowMs of [1_000, 10_000, 60_000]) {
    progress(`windows of ${windowMs / 1_000} s`);
    results.push(
      ...(await Promise.all(
        [1, 4].map(async (listeners) => {
          const database = await server.fresh(template);
          const shares = await drain(server.urlOf(database), listeners, windowMs, minutes);
          await server.drop(database);
          return { name: `windows of ${windowMs / 1_000} s, ${listeners} listener(s)`, ...shares };
        }),
      )),
    );
  }
  await server.drop(template);
  return [
    {
      title: `Pace: a limit of ${PER_MINUTE} requests a minute, answers 429 with Retry-After; the first ${minutes} min, %`,
      columns: ["", "used", "refused", "used, last minute", "refused, last minute"],
      rows: results.map(({ name, all, last }) => [name, all.used, all.refused, last.used, last.refused]),
      bars: results.flatMap(({ name, all }) => [
        atLeast(`${name}: at least 93 % used`, all.used, 93, " %"),
        atMost(`${name}: at most 3 % refused`, all.refused, 3, " %"),
      ]),
    },
  ];
}

interface Shares {
  readonly used: number;
  readonly refused: number;
}

async function drain(
  url: string,
  count: number,
  windowMs: number,
  minutes: number,
): Promise<{ all: Shares; last: Shares }> {
  const limit = {
    requests: (PER_MINUTE * windowMs) / 60_000,
    windowMs,
    kind: "fixed",
    says: "retry-after",
  } as const;
  const provider = await startProvider({ dimensions: 8, latencyMs: LATENCY_MS, limit });
  const settings = { EMBED_BATCH_SIZE: String(BATCH), EMBED_MAX_CONCURRENCY: "4" };
  const listeners = await Promise.all(
    Array.from({ length: count }, () => startListener(url, provider.url, settings)),
  );
  // Queues every row, so that all listeners begin at the same moment.
  await provider.counts();
  await withClient(url, (client) =>
    client.query("update patient_embeddings set context_text = context_text || ' '"),
  );
  const seen = { requests: 0, refused: 0 };
  let last = { requests: 0, refused: 0 };
  for (let minute = 0; minute < minutes; minute++) {
    await delay(60_000);
    last = await provider.counts();
    seen.requests += last.requests;
    seen.refused += last.refused;
  }
  await Promise.all(listeners.map((listener) => listener.stop()));
  provider.close();
  return { all: sharesOf(seen, minutes), last: sharesOf(last, 1) };
}

function sharesOf({ requests, refused }: { requests: number; refused: number }, minutes: number): Shares {
  return {
    used: (100 * requests) / (PER_MINUTE * minutes),
    refused: (100 * refused) / (requests + refused),
  };
}
