import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { withClient } from "../bench-database.ts";
import { percentile } from "../median.ts";
import type { Bench } from "../part.ts";
import { atMost, type Section } from "../report.ts";
import { startListener, type ListenerProcess } from "../start-listener.ts";
import { startProvider } from "../start-provider.ts";
import { noteOf } from "../texts.ts";

const ROWS = 2_000;
const WRITERS = 4;
const STATEMENTS_PER_SECOND = 25;

const SETTINGS = ["no listener", "two listeners, idle", "two listeners, draining, provider 2 s"] as const;
type Setting = (typeof SETTINGS)[number];

/** How long users' statements take, with and without working listeners: interleaved turns, steady writers. */
export async function waits({ server, quick, progress }: Bench): Promise<Section[]> {
  const turns = quick ? 1 : 5;
  const seconds = quick ? 2 : 6;
  const template = await server.template("waits", 8, ROWS);
  const url = server.urlOf(template);
  const provider = await startProvider({ dimensions: 8, latencyMs: 2_000 });
  const times = new Map<Setting, number[]>(SETTINGS.map((setting) => [setting, []]));
  for (let turn = 0; turn < turns; turn++) {
    progress(`turn ${turn + 1}`);
    // Each setting takes every place in the order of turns: a later turn finds more dead rows.
    for (const setting of [...SETTINGS.slice(turn % 3), ...SETTINGS.slice(0, turn % 3)]) {
      // Rows of a paused source are still queued, so that the statements cost what they usually do.
      await withClient(url, (client) =>
        client.query("update autoembed.embedding_source set paused = $1", [
          setting === "two listeners, idle",
        ]),
      );
      const listeners = await listenersOf(setting, url, provider.url);
      times.get(setting)?.push(...(await write(url, turn * ROWS, seconds)));
      await Promise.all(listeners.map((listener) => listener.stop()));
    }
  }
  provider.close();
  await server.drop(template);
  const of = (setting: Setting, share: number): number => percentile(times.get(setting) ?? [], share);
  const [none, , draining] = SETTINGS;
  return [
    {
      title: `Waits of users: ${WRITERS} writers of one row and of twenty, ${STATEMENTS_PER_SECOND} statements/s each, ms per statement`,
      columns: ["", "median", "p99", "longest", "statements"],
      rows: SETTINGS.map((setting) => [
        setting,
        of(setting, 0.5),
        of(setting, 0.99),
        of(setting, 1),
        times.get(setting)?.length ?? 0,
      ]),
      bars: [
        atMost(
          "longest wait during a drain, far below a provider call's 2 s",
          of(draining, 1) - of(none, 1),
          500,
          " ms more",
        ),
        atMost("median during a drain, within 1 ms", of(draining, 0.5) - of(none, 0.5), 1, " ms more"),
      ],
    },
  ];
}

async function listenersOf(setting: Setting, url: string, providerUrl: string): Promise<ListenerProcess[]> {
  if (setting === "no listener") return [];
  const settings = { EMBED_BATCH_SIZE: "16", EMBED_MAX_CONCURRENCY: "4" };
  return Promise.all([startListener(url, providerUrl, settings), startListener(url, providerUrl, settings)]);
}

async function write(url: string, first: number, seconds: number): Promise<number[]> {
  const ending = performance.now() + seconds * 1_000;
  const all = await Promise.all(
    Array.from({ length: WRITERS }, async (_, writer) => {
      const client = new pg.Client(url);
      await client.connect();
      const times: number[] = [];
      for (let i = 0; performance.now() < ending; i++) {
        const rows = i % 5 === 0 ? 20 : 1;
        const id = 1 + ((writer * 131 + i * 17) % (ROWS - rows));
        const started = performance.now();
        await client.query(
          "update patient_embeddings set context_text = $3 || patient_id where patient_id between $1 and $2",
          [id, id + rows - 1, noteOf(first + i)],
        );
        times.push(performance.now() - started);
        await delay(Math.random() * (2_000 / STATEMENTS_PER_SECOND));
      }
      await client.end();
      return times;
    }),
  );
  return all.flat();
}
