import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { wakeListeners } from "../database/wake-listeners.ts";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { isSilent } from "../membership/alive.ts";
import { UNINSTALL } from "../migrate/uninstalling.ts";
import { VERSION } from "../version.ts";
import { whereDamaged } from "./where-damaged.ts";

export interface AliveListener {
  readonly host: string;
  readonly pid: number;
  readonly version: string;
}

/** What is so after a first run has given up. */
const KEPT = "To keep pg-autoembed, start the listeners that have stopped.";
/** An earlier run may have removed triggers, which `migrate` makes again. */
const UNDO = `An earlier run began to uninstall. To keep pg-autoembed instead: delete from autoembed.migration where filename = '${UNINSTALL}'; then ${invocation("migrate")}`;

const POLL_MS = 200;
/** Longer than a listener takes to complete what is in flight, unless EMBED_SHUTDOWN_MS was raised. */
const LONGEST_WAIT_MS = 60_000;

export async function aliveListeners(db: Database): Promise<readonly AliveListener[]> {
  const alive = sql<AliveListener>`
    select host, pid, version from autoembed.embedding_listener where not (${isSilent}) order by host, pid`;
  // Without these tables no listener can work.
  return await whereDamaged(
    alive.execute(db).then(({ rows }) => rows),
    [],
  );
}

export function describeListener({ host, pid, version }: AliveListener): string {
  return `process ${pid} on ${host}, version ${version}`;
}

/**
 * Has every listener stop, and keeps others from starting, until the schema is dropped. If that fails, they may start again:
 * this run has removed nothing. What an earlier run has begun stays begun.
 * @throws {SetupError} if a listener does not stop within a minute.
 */
export async function stopListeners(db: Database, longestWaitMs = LONGEST_WAIT_MS): Promise<void> {
  const begin = sql`
    insert into autoembed.migration (filename, hash, version) values (${UNINSTALL}, '', ${VERSION})
    on conflict (filename) do nothing returning filename`;
  // Without this table no listener starts.
  const isFirstRun = await whereDamaged(
    begin.execute(db).then(({ rows }) => rows.length > 0),
    true,
  );
  try {
    await untilNoneIsAlive(db, longestWaitMs, isFirstRun);
  } catch (error) {
    const undo = sql`delete from autoembed.migration where filename = ${UNINSTALL}`;
    if (isFirstRun) await whereDamaged(undo.execute(db), undefined);
    throw error;
  }
}

async function untilNoneIsAlive(db: Database, longestWaitMs: number, isFirstRun: boolean): Promise<void> {
  const deadline = performance.now() + longestWaitMs;
  for (;;) {
    // Again and again: a listener may be starting, or not hear the first.
    await wakeListeners(db);
    const alive = await aliveListeners(db);
    if (alive.length === 0) return;
    if (performance.now() > deadline) {
      throw new SetupError(
        `Still running: ${alive.map(describeListener).join("; ")}. Nothing was removed${isFirstRun ? "" : " by this run"}.`,
        `Stop what is running, then run this again: ${invocation("uninstall")}. ${isFirstRun ? KEPT : UNDO}`,
      );
    }
    await delay(POLL_MS);
  }
}
