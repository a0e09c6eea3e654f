import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import type { Source } from "../sources/source.ts";

const POLL_MS = 1_000;

/**
 * Runs `work` until another process pauses, drops or switches the source, or until `signal` is aborted.
 * @throws {SetupError} in the first case, in place of the error that `work` throws because of it.
 */
export async function runUntilPaused<T>(
  db: Database,
  source: Source,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stopped = new AbortController();
  const timer = setInterval(() => {
    reasonToStop(db, source).then(
      (reason) => {
        if (reason !== undefined) stopped.abort(reason);
      },
      () => undefined, // the database cannot be reached for a moment: `work` notices that itself
    );
  }, POLL_MS);
  try {
    return await work(AbortSignal.any([signal, stopped.signal]));
  } catch (error) {
    // The error may only follow from it: for instance, a column was renamed.
    throw (await reasonToStop(db, source).catch(() => undefined)) ?? error;
  } finally {
    clearInterval(timer);
  }
}

/** Why a model change must stop filling its second source; undefined if it may continue. */
export async function reasonToStop(db: Database, { id, name }: Source): Promise<SetupError | undefined> {
  const row = await db
    .selectFrom("autoembed.embedding_source")
    .select(["name", "paused"])
    .where("id", "=", id)
    .executeTakeFirst();
  if (row?.name !== name) {
    return new SetupError(
      `Another process has ${row === undefined ? "dropped" : "switched"} ${name}.`,
      `${invocation("sources")} shows where each source stands.`,
    );
  }
  return row.paused
    ? new SetupError(`${name} was paused.`, "Run the same command again to continue.")
    : undefined;
}
