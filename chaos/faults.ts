import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { beginBackfills } from "../test/support/begin-backfills.ts";
import type { HalfOpenProxy } from "../test/support/half-open-proxy.ts";
import type { Fault } from "../test/support/provider-faults.ts";
import type { ProviderServer } from "../test/support/provider-server.ts";
import type { Primary } from "./failover.ts";
import type { Listeners } from "./listeners.ts";
import type { ChaosOptions } from "./options.ts";
import type { Random } from "./random.ts";
import type { SchemaChanges } from "./schema-changes.ts";
import type { Tally } from "./tally.ts";

/** Every fault of the test provider except refusing a text: a refused row rightly fails. */
const PROVIDER_FAULTS: readonly Fault[] = [
  429, 500, 502, 503, 504, "hang", "reset", "drop mid-body", "slow drip", "out of order", "one too few", "one too many",
  "duplicate index", "index out of range", "no index", "NaN", "null", "infinity", "wrong dimension", "one short vector",
  "200 with an error", "redirect", "garbled JSON", "truncated base64", "empty body",
]; // prettier-ignore

/** Rows at a time, and the first of their keys: no other user writes there. */
const RESTORED = 3_000;
const RESTORED_FROM = 1e9;

/** Rows were restored whose backfill has not begun, or may have been forgotten: the connection was cut in between. */
export interface Restores {
  unbegun: boolean;
}

export interface Victims {
  readonly options: ChaosOptions;
  /** The database that is watched. */
  readonly url: string;
  readonly primary: Primary;
  readonly schemaChanges: SchemaChanges;
  readonly listeners: Listeners;
  readonly provider: ProviderServer;
  readonly postgresProxy: HalfOpenProxy;
  readonly providerProxy: HalfOpenProxy;
  readonly faults: Tally;
  readonly restores: Restores;
  readonly random: Random;
}

/** Causes every kind of fault, each at its own interval, until `signal` is aborted; then repairs everything. */
export async function causeFaults(victims: Victims, signal: AbortSignal): Promise<void> {
  const { options, faults, listeners, provider, random } = victims;
  let spoilAfter = 10;
  const kinds: [everyMs: number, cause: () => Promise<void> | void][] = [
    [options.killEveryMs, () => { kill(victims); }],
    [options.killEveryMs * 4, () => freezeProcess(victims)],
    [3_000, () => terminateBackends(victims)],
    [500, () => {
      // About every tenth request: if every answer were spoiled, nothing would be embedded.
      if (provider.counts.requests < spoilAfter) return;
      spoilAfter = provider.counts.requests + random.whole(5, 15);
      provider.next(random.pick(PROVIDER_FAULTS));
      faults.add("provider answers spoiled");
    }],
    [20_000, async () => {
      faults.add("provider outages");
      await provider.stop();
      await delay(random.whole(500, 3_000));
      await provider.start();
    }],
    [4_000, () => restoreRows(victims)],
    [15_000, () => freezeProxy(victims, victims.postgresProxy, "network to Postgres half-open")],
    [15_000, () => freezeProxy(victims, victims.providerProxy, "network to the provider half-open")],
  ]; // prettier-ignore
  if (options.restartCommand !== undefined)
    kinds.push([options.restartEveryMs, () => victims.primary.restart()]);
  if (options.alterEveryMs !== undefined)
    kinds.push([options.alterEveryMs, () => victims.schemaChanges.next()]);
  const meter = setInterval(() => {
    listeners.measure();
  }, 1_000);
  await Promise.all([
    ...kinds.map(([everyMs, cause]) => again(everyMs, cause, random, signal)),
    inTheMiddle(options.seconds, async () => {
      // A backfill that had begun may be lost with the old primary.
      if (await victims.primary.failOver()) victims.restores.unbegun = true;
    }),
  ]);
  clearInterval(meter);
  provider.behave();
  victims.postgresProxy.cut();
  victims.providerProxy.cut();
}

async function again(
  everyMs: number,
  cause: () => Promise<void> | void,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await delay(everyMs * (0.5 + random.next()), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    await cause();
  }
}

async function inTheMiddle(seconds: number, cause: () => Promise<void>): Promise<void> {
  await delay(500 * seconds);
  await cause();
}

function kill({ listeners, faults, random }: Victims): void {
  const signal = random.chance(0.7) ? "SIGKILL" : "SIGTERM";
  if (listeners.hit(random.whole(0, 100), signal)) faults.add(signal);
}

/** Freezes a listener until the others take it for dead. When it continues, other listeners have its claims. */
async function freezeProcess({ listeners, faults, random }: Victims): Promise<void> {
  const place = random.whole(0, 100);
  if (!listeners.hit(place, "SIGSTOP")) return;
  faults.add("SIGSTOP for longer than the heartbeat");
  await delay(random.whole(4_500, 8_000));
  listeners.hit(place, "SIGCONT");
}

/** Inserts rows as a restore does, with no trigger to queue them, has them backfilled, and changes some meanwhile. */
async function restoreRows({ url, faults, restores, random }: Victims): Promise<void> {
  const first = RESTORED_FROM + random.whole(0, 1e6) * RESTORED;
  await unlessCut(url, async (client) => {
    await client.query("set session_replication_role = replica");
    restores.unbegun = true;
    await client.query(
      `insert into patient_embeddings select n, 'restored ' || n % 1000 || ' of ' || $1::bigint from generate_series($1::bigint, $2) n
       on conflict do nothing`,
      [first, first + RESTORED - 1],
    );
    await client.query("reset session_replication_role");
    await beginBackfills(url);
    restores.unbegun = false;
    faults.add("restored rows backfilled", RESTORED);
    const changed = "patient_id between $1 and $2 and patient_id % 10 =";
    const range = [first, first + RESTORED - 1];
    await client.query(
      `update patient_embeddings set context_text = 'changed since' where ${changed} 0`,
      range,
    );
    await client.query(`delete from patient_embeddings where ${changed} 1`, range);
  });
}

async function terminateBackends({ url, faults, random }: Victims): Promise<void> {
  await unlessCut(url, async (client) => {
    const { rowCount } = await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid() order by md5(pid::text || $1) limit $2`,
      [String(random.next()), random.whole(1, 4)],
    );
    faults.add("backends terminated", rowCount ?? 0);
  });
}

/** The chaos may cut this connection too, or be restarting the server. */
async function unlessCut(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client(url);
  client.on("error", () => undefined);
  try {
    await client.connect();
    await work(client);
  } catch {
    // What it had begun is done by the next turn, or is verified as it is.
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function freezeProxy({ faults, random }: Victims, proxy: HalfOpenProxy, name: string): Promise<void> {
  faults.add(name);
  proxy.freeze();
  await delay(random.whole(500, 8_000));
  if (random.chance(0.5)) proxy.thaw();
  else proxy.cut();
}
