import type { Config } from "../config.ts";
import type { Progress } from "../backfill/progress.ts";
import { backfillWith } from "../backfill/run-backfill.ts";
import { connect, type Database } from "../database/connect.ts";
import { SetupError, UsageError } from "../errors.ts";
import { createListener } from "../listener/listener.ts";
import { openProvider } from "../providers/open-provider.ts";
import { providerSettings } from "../sources/provider-settings.ts";
import { setPaused } from "../sources/set-paused.ts";
import type { Source } from "../sources/source.ts";
import { buildIndex } from "./build-index.ts";
import { compareModels, type Comparison } from "./compare.ts";
import { prepare, refuseTakenNames, type NewModel } from "./prepare.ts";
import { previousColumn, readRemodelling } from "./remodelling.ts";
import { failedRows, refuseFailed } from "./owed-vectors.ts";
import { switchModels } from "./switch.ts";
import { unlessPaused } from "./unless-paused.ts";

export interface RemodelReport {
  readonly source: string;
  readonly model: string;
  readonly dimensions: number;
  /** Rows that were embedded by this run. */
  readonly embedded: number;
  /** Rows that the new model could not embed. */
  readonly failed: number;
  /** The index that was built like the old one; null where there was none to follow. */
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

/** Building an index takes what it takes. */
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
  // No lock_timeout of the session: `create index concurrently` waits for transactions older than itself.
  const db = connect({
    databaseUrl: config.DATABASE_URL,
    maxConnections: 2,
    ownSessions: false,
    queryTimeoutMs: LONGEST_STATEMENT_MS,
  });
  const listener = createListener(config);
  try {
    const { live, next } = await underWay(db, name, options.model);
    await setPaused(db, next.name, false);
    return await unlessPaused(db, next, options.signal, async (signal) => {
      onStep(`embedding ${next.name}; the old vectors stay searchable and fresh`);
      const backfill = { all: false, progress, signal };
      const { done } = await backfillWith(listener, listener.start(), config, [next], backfill);
      signal.throwIfAborted();
      if (!force) refuseFailed(await failedRows(db, next));
      onStep("building the index, concurrently");
      const index = await buildIndex(db, live, next, signal);
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

async function underWay(
  db: Database,
  name: string,
  model: NewModel | null,
): Promise<{ live: Source; next: Source }> {
  const before = await readRemodelling(db, name);
  if (before.state === "switched") {
    throw new UsageError(
      `${name} has been switched already, and its old vectors are still kept.`,
      `npm run remodel -- ${name} --finish drops them; --rollback goes back to them.`,
    );
  }
  if (before.state === "none") {
    if (model === null) {
      throw new UsageError(
        `No change of the model of ${name} is under way.`,
        `Begin one: npm run remodel -- ${name} --model MODEL [--dim N] [--backend BACKEND]`,
      );
    }
    await prepare(db, before.live, model);
  }
  const now = before.state === "building" ? before : await readRemodelling(db, name);
  if (now.state !== "building") {
    throw new SetupError(
      `The model of ${name} was changed meanwhile, by another process.`,
      "npm run sources shows where each source stands.",
    );
  }
  await refuseTakenNames(db, now.live, [previousColumn(now.live)]);
  const asked = model?.model ?? now.next.model;
  if (asked !== now.next.model || (model !== null && model.dimensions !== now.next.dimensions)) {
    throw new UsageError(
      `A change of ${name} to ${now.next.model ?? "another model"} is under way.`,
      `npm run remodel -- ${name} goes on with it; --cancel drops what it has made so far.`,
    );
  }
  return now;
}

/** The model as it was asked for, its dimensions from the provider where they were not said. */
export async function askedModel(
  config: Config,
  asked: {
    readonly backend: string | null;
    readonly model: string | null;
    readonly dimensions: number | undefined;
    readonly settings: NewModel["settings"];
  },
): Promise<NewModel> {
  const environment = { ...config, EMBEDDING_DIM: undefined };
  const provider = await openProvider(
    providerSettings(environment, { ...asked, dimensions: asked.dimensions ?? null }),
  );
  await provider.close();
  return { ...asked, model: provider.model, dimensions: provider.dimensions };
}
