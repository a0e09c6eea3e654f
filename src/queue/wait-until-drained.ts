import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "../database/connect.ts";
import { isDrained } from "./counts.ts";

const POLL_MS = 20;

/**
 * Resolves when no row of a source that is not paused is pending or claimed, and no backfill of one is under way. Failed rows
 * are not waited for.
 */
export async function waitUntilDrained(db: Database, signal?: AbortSignal): Promise<void> {
  while (!(await isDrained(db))) await delay(POLL_MS, undefined, signal === undefined ? {} : { signal });
}
