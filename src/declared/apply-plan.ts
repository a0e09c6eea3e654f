import type { Progress } from "../backfill/progress.ts";
import { runBackfill } from "../backfill/run-backfill.ts";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { buildIndex } from "../search/build-index.ts";
import { choose } from "../sources/choose-sources.ts";
import { formatDuration } from "../timing/format-duration.ts";
import { unwatch } from "../watch/unwatch.ts";
import { watch } from "../watch/watch.ts";
import type { Plan, Step } from "./plan.ts";

export interface ApplyOptions {
  /** False leaves the rows, and indexes of sources that have some, to a later call. */
  readonly backfill: boolean;
  readonly progress: () => Progress;
  /** Receives what was done, step by step. */
  readonly onStep: (line: string) => void;
  /** Receives what is in the way of a backfill that goes on. */
  readonly onProblem: (problem: string) => void;
  readonly signal: AbortSignal;
}

interface Context extends ApplyOptions {
  readonly db: Database;
  readonly config: Config & { readonly DATABASE_URL: string };
}

/**
 * Does the steps of a plan, in order. Each is whole by itself: after an interruption, a new plan has those that are left.
 * @returns what is left to a person, as commands; empty if nothing is
 * @throws {SetupError} before anything is done, if a declared source cannot be watched
 */
export async function applyPlan(
  db: Database,
  config: Context["config"],
  plan: Plan,
  options: ApplyOptions,
): Promise<string[]> {
  refuseProblems(plan);
  const context = { ...options, db, config };
  const left: string[] = [];
  const waiting = new Set<string>();
  for (const step of plan.steps) {
    options.signal.throwIfAborted();
    const command = await applyStep(context, step, waiting);
    if (command !== null) left.push(command);
  }
  return left;
}

function refuseProblems({ file, problems }: Plan): void {
  const [first, ...more] = problems;
  if (first === undefined) return;
  throw new SetupError(
    `Nothing was done: ${file} declares what cannot be watched.\n${problems.map(({ source, problem }) => `  ${source}: ${problem}`).join("\n")}`,
    more.length === 0 ? first.remedy : `See: ${invocation("diff")}`,
  );
}

/** @param waiting sources with rows that are left without a vector @returns the command that is left, if any */
async function applyStep(context: Context, step: Step, waiting: Set<string>): Promise<string | null> {
  const { db, config, onStep } = context;
  switch (step.step) {
    case "unwatch":
      await unwatch(db, step.source);
      onStep(`unwatch   ${step.source}: no longer watched; its table and its vectors stay as they are`);
      return null;
    case "watch": {
      const { text, table, key } = await watch(db, config, step.options);
      onStep(`watch     ${step.source}: ${text} of ${table}, by the key ${key.join(", ")}`);
      return null;
    }
    case "remodel":
      return step.command;
    case "backfill": {
      const isDone = context.backfill && (await backfill(context, step));
      if (!isDone) waiting.add(step.source);
      return isDone
        ? null
        : invocation("backfill", ["--source", step.source, ...(step.all ? ["--all"] : [])]);
    }
    case "index":
      if (waiting.has(step.source)) return invocation("index", [step.source]);
      await index(context, step);
      return null;
  }
}

/** @returns whether every row has its vector now */
async function backfill(
  { db, config, progress, onStep, onProblem, signal }: Context,
  { source: name, all }: Extract<Step, { step: "backfill" }>,
): Promise<boolean> {
  const { sources, chunked } = await choose(db, name);
  if (sources.some(({ paused }) => paused)) {
    onStep(`backfill  ${name}: left alone, since it is paused: ${invocation("resume", [name])}`);
    return false;
  }
  const report = await runBackfill(config, sources, {
    chunked,
    all,
    progress: progress(),
    onProblem,
    onPaused: (names) => {
      onProblem(`${names.join(", ")} is paused, so its pending rows wait: ${invocation("resume", names)}`);
    },
    signal,
  });
  signal.throwIfAborted();
  const failures = report.failed > 0 ? `, ${report.failed} failed: see ${invocation("failed")}` : "";
  onStep(`backfill  ${name}: ${report.done} rows in ${formatDuration(report.seconds)}${failures}`);
  return report.pending === 0 && report.failed === 0;
}

async function index(
  { db, config, onStep, onProblem, signal }: Context,
  { source: name, memory }: Extract<Step, { step: "index" }>,
): Promise<void> {
  const { sources } = await choose(db, name);
  for (const source of sources) {
    const built = await buildIndex(db, source, {
      database: config,
      now: false,
      memory,
      signal,
      onProgress: onProblem,
    });
    onStep(`index     ${name}: ${built.name}, in ${formatDuration(built.seconds)}`);
  }
}
