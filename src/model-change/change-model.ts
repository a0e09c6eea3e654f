import type { Config } from "../config.ts";
import type { Progress } from "../backfill/progress.ts";
import { backfillWith } from "../backfill/run-backfill.ts";
import { connect, directUrl } from "../database/connect.ts";
import { createListener } from "../listener/listener.ts";
import { setPaused } from "../sources/set-paused.ts";
import { whoEmbeds } from "./asked-model.ts";
import { compareModels, type Comparison } from "./compare.ts";
import { copyIndexes } from "./copy-indexes.ts";
import type { NewModel } from "./prepare.ts";
import { failedRows } from "../queue/counts.ts";
import { refuseFailed } from "./pending-vectors.ts";
import { switchModels } from "./switch.ts";
import { openOrResume } from "./open-or-resume.ts";
import { runUntilPaused } from "./run-until-paused.ts";

export interface RemodelReport {
  readonly source: string;
  readonly model: string;
  readonly dimensions: number;
  /** Rows that were embedded by this run. */
  readonly embedded: number;
  /** Rows that the new model could not embed. */
  readonly failed: number;
  /** The method of the indexes that were built like the old ones; null where there were none to follow. */
  readonly index: string | null;
  readonly comparison: Comparison;
}

export interface RemodelOptions {
  /** Null goes on with a change that is under way. */
  readonly model: NewModel | null;
  /** Switches although rows have failed with the new model: they are not found until they are embedded. */
  readonly force: boolean;
  readonly progress: Progress;
  /** Told what is being done, a line a step. */
  readonly onStep: (step: string) => void;
  readonly signal: AbortSignal;
}

/** Comparing models without an index reads the whole table for each row that it asks for. */
const LONGEST_STATEMENT_MS = 24 * 3_600_000;

/**
 * Changes the model of a source while it is written to and searched: embeds into a second column beside the first,
 * builds its index, compares, and swaps the two. Interrupted at any point, the same call goes on from there.
 *
 * A listener of its own works until the switch: it may be the only one, and what changes while the index is built must
 * not pile up.
 * @throws {SetupError} where it cannot go on, with what to do.
 */
export async function remodel(
  config: Config & { readonly DATABASE_URL: string },
  name: string,
  options: RemodelOptions,
): Promise<RemodelReport> {
  const { onStep, progress, force } = options;
  const db = connect({
    databaseUrl: directUrl(config),
    maxConnections: 2,
    ownSessions: false,
    queryTimeoutMs: LONGEST_STATEMENT_MS,
  });
  const listener = createListener(config);
  try {
    const { live, next } = await openOrResume(db, config, name, options.model);
    await setPaused(db, next.name, false);
    return await runUntilPaused(db, next, options.signal, async (signal) => {
      onStep(
        `embedding ${next.name} by ${whoEmbeds(config, next)}; the old vectors stay searchable and fresh`,
      );
      const backfill = { all: false, progress, onProblem: onStep, signal };
      const { done } = await backfillWith(listener, listener.start(), config, [next], backfill);
      signal.throwIfAborted();
      if (!force) refuseFailed(await failedRows(db, next));
      onStep("building the index, concurrently");
      const index = await copyIndexes(db, live, next, {
        databaseUrl: directUrl(config),
        onProgress: onStep,
        signal,
      });
      const comparison = await compareModels(db, live, next);
      onStep("switching");
      await switchModels(db, live, next, { force, onStep, signal });
      return {
        source: name,
        model: next.model ?? "",
        dimensions: next.dimensions ?? next.columnDimensions ?? 0,
        embedded: done,
        failed: await failedRows(db, next),
        index,
        comparison,
      };
    });
  } finally {
    await listener.stop();
    await db.destroy();
  }
}
