import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isDatabaseError } from "../database/database-fault.ts";
import { UsageError } from "../errors.ts";

const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 100;

/**
 * Resolves when a row has the vector of its text: what `autoembed.wait()` waits for.
 * @throws {UsageError} if the row failed, if the key is none of the table's, or if no source has the name
 */
export async function waitUntilCurrent(
  db: Database,
  source: string,
  key: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(1.5 * pause, LONGEST_PAUSE_MS)) {
    signal?.throwIfAborted();
    if (await isCurrent(db, source, key)) return;
    await delay(pause, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  }
}

async function isCurrent(db: Database, source: string, key: string): Promise<boolean> {
  try {
    const { rows } = await sql<{ current: boolean }>`
      select autoembed.is_current(${source}, ${key}) as current`.execute(db);
    return rows[0]?.current === true;
  } catch (error) {
    // What the function itself says: it has no text.
    if (isDatabaseError(error) && ["55000", "42704", "22023"].includes(error.code))
      throw new UsageError(`${error.message}.`, error.hint ?? "", { cause: error });
    // The database's message repeats the key.
    if (isDatabaseError(error) && /^2[23]/.test(error.code))
      throw new UsageError(
        `The key is none that ${source} can have (SQLSTATE ${error.code}).`,
        "Give it as a search returns it: of several columns, a JSON array of texts.",
      );
    throw error;
  }
}
