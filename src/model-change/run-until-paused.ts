import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import type { Source } from "../sources/source.ts";

const LOOK_MS = 1_000;

/**
 * Does `work` until somebody pauses the source, or gives it up, or until it is interrupted.
 * @throws {SetupError} where it was paused, whatever the work throws for it.
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
      () => undefined, // the database is away for a moment: the work itself finds out
    );
  }, LOOK_MS);
  try {
    return await work(AbortSignal.any([signal, stopped.signal]));
  } catch (error) {
    // What went wrong may only follow from it: a column has another name by now.
    throw (await reasonToStop(db, source).catch(() => undefined)) ?? error;
  } finally {
    clearInterval(timer);
  }
}

/** Why nothing more is to be done for a source that a change of the model fills. */
export async function reasonToStop(db: Database, { id, name }: Source): Promise<SetupError | undefined> {
  const row = await db
    .selectFrom("autoembed.embedding_source")
    .select(["name", "paused"])
    .where("id", "=", id)
    .executeTakeFirst();
  if (row?.name !== name) {
    return new SetupError(
      `${name} was ${row === undefined ? "given up" : "switched"} meanwhile, by another process.`,
      "npm run sources shows where each source stands.",
    );
  }
  return row.paused ? new SetupError(`${name} was paused.`, "Run the same command to go on.") : undefined;
}
