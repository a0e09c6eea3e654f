import type { Config } from "../config.ts";
import type { Progress } from "../backfill/progress.ts";
import { backfillWith } from "../backfill/run-backfill.ts";
import { openPool } from "../database/pools.ts";
import { createListener } from "../listener/listener.ts";
import { uninstalledSignal } from "../listener/uninstalled-signal.ts";
import { setPaused } from "../sources/set-paused.ts";
import { describeModel } from "./asked-model.ts";
import { compareModels, type Comparison } from "./compare.ts";
import { copyIndexes } from "./copy-indexes.ts";
import type { NewModel } from "./prepare.ts";
import { failedRows } from "../queue/counts.ts";
import { refuseFailed } from "./pending-vectors.ts";
import { switchModels } from "./switch.ts";
import { openOrResume } from "./open-or-resume.ts";
import { runUntilPaused } from "./run-until-paused.ts";

export interface ModelChangeReport {
  readonly source: string;
  readonly model: string;
  readonly dimensions: number;
  /** Rows that this run embedded. */
  readonly embedded: number;
  /** Rows that the new model could not embed. */
  readonly failed: number;
  /** The method of the new indexes, built like the old ones; null if there were none. */
  readonly index: string | null;
  readonly comparison: Comparison;
}

export interface ModelChangeOptions {
  /** Null continues the model change that is under way. */
  readonly model: NewModel | null;
  /** Switches even if rows have failed with the new model. Searches do not find them until they are embedded. */
  readonly force: boolean;
  /** Through the provider's batch API. */
  readonly batch?: boolean;
  readonly progress: Progress;
  /** Receives one line per step. */
  readonly onStep: (step: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Changes the model of a source while users write and search: embeds into a second column, builds its index, compares
 * the models, and swaps the two columns. After an interruption at any point, the same call continues from there.
 *
 * It runs a listener of its own until the switch: there may be no other, and changes that users make while the index is
 * being built must not pile up.
 * @throws {SetupError} if it cannot continue; the error says what to do.
 */
export async function changeModel(
  config: Config & { readonly DATABASE_URL: string },
  name: string,
  options: ModelChangeOptions,
): Promise<ModelChangeReport> {
  const { onStep, progress, force, batch = false } = options;
  const db = openPool("modelChange", config);
  const listener = createListener(config);
  const stopping = AbortSignal.any([options.signal, uninstalledSignal(listener.events)]);
  try {
    const { live, next } = await openOrResume(db, config, name, options.model);
    await setPaused(db, next.name, false);
    return await runUntilPaused(db, next, stopping, async (signal) => {
      onStep(
        `embedding ${next.name} by ${describeModel(config, next)}; the old vectors stay searchable and fresh`,
      );
      const backfill = { all: false, batch, progress, onProblem: onStep, onBatches: onStep, signal };
      const { done } = await backfillWith(listener, listener.start(), config, [next], backfill);
      signal.throwIfAborted();
      if (!force) refuseFailed(await failedRows(db, next));
      onStep("building the index, concurrently");
      const index = await copyIndexes(db, live, next, {
        database: config,
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
