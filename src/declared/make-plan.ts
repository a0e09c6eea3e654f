import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { loadSources } from "../sources/load-sources.ts";
import type { ConfigFile } from "./config-file.ts";
import type { DeclaredSource } from "./declared-source.ts";
import type { Plan, Problem, Step } from "./plan.ts";
import { planSource } from "./plan-source.ts";
import { readPresent, type PresentSource } from "./present-source.ts";
import { findWanted, type WantedSource } from "./wanted-source.ts";

export interface PlanOptions {
  /** Unwatches the sources that the file does not name. */
  readonly prune: boolean;
  /** Counts rows, and estimates what embedding them takes. Reads every declared table. */
  readonly counts: boolean;
  readonly signal: AbortSignal;
}

const ORDER: readonly Step["step"][] = ["unwatch", "watch", "remodel", "backfill", "index"];

/** Compares what is declared with the database. It sends nothing, and changes nothing. */
export async function makePlan(
  db: Database,
  config: Config,
  { file, sources: declared }: ConfigFile,
  options: PlanOptions,
): Promise<Plan> {
  const present = await readPresent(db);
  const loaded = await loadSources(db);
  const steps: Step[] = [];
  const problems: Problem[] = [];
  const notes: string[] = [];
  const wanted: WantedSource[] = [];
  for (const source of declared) {
    await noteProblem(problems, source, async () => {
      const found = await findWanted(db, source, present);
      if (wanted.some(({ name }) => name === found.name)) throw namedTwice(found.name);
      wanted.push(found);
    });
  }
  const others = present.filter(({ name }) => !wanted.some((source) => source.name === name));
  for (const source of wanted) {
    await noteProblem(problems, source.declared, async () => {
      refuseTaken(source, others);
      const before = present.find(({ name }) => name === source.name);
      const planned = await planSource({ db, config, loaded, ...options }, source, before);
      steps.push(...planned.steps);
      notes.push(...planned.notes);
    });
  }
  // A source with a problem may be one of these, under a name that could not be found out.
  if (options.prune && problems.length === 0)
    steps.push(...others.map(({ name }) => ({ step: "unwatch", source: name }) as const));
  return {
    file,
    steps: steps.toSorted((a, b) => ORDER.indexOf(a.step) - ORDER.indexOf(b.step)),
    problems,
    notes,
    not_declared: options.prune ? [] : others.map(({ name }) => name),
  };
}

async function noteProblem(
  problems: Problem[],
  { name, table }: DeclaredSource,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    problems.push({ source: name ?? table, problem: error.message, remedy: error.remedy });
  }
}

function namedTwice(name: string): SetupError {
  return new SetupError(
    `Two sources of the file are called ${JSON.stringify(name)}.`,
    "Give one of them another name, and another vector column.",
  );
}

/** One column takes the vectors of one source. Not with `prune` either: what waits in the queue and the ledger would be lost. */
function refuseTaken({ name, table, into, vector }: WantedSource, others: readonly PresentSource[]): void {
  const taken = others.find((other) => {
    const holder = other.into === "dropped" ? undefined : String(other.into?.oid ?? other.oid);
    return holder === (into?.oid ?? table.oid) && other.vector === vector;
  });
  if (taken === undefined) return;
  throw new SetupError(
    `The column ${vector} is filled by the source ${JSON.stringify(taken.name)}, which the file does not name.`,
    `A source is not renamed: write name: ${JSON.stringify(taken.name)} in place of ${JSON.stringify(name)}. For a second source of the table, name another column as vector.`,
  );
}
