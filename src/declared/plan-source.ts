import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { FULL } from "../search/index-kind.ts";
import { indexShape } from "../search/index-shape.ts";
import { searchedIndex } from "../search/searched-index.ts";
import type { Sources } from "../sources/load-sources.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import type { Source } from "../sources/source.ts";
import { compareDefinitions, type Difference } from "./compare-definitions.ts";
import { compareModels, type ModelComparison } from "./compare-models.ts";
import { estimateBackfill, type Work } from "./estimate-backfill.ts";
import { isFreeToChange } from "./free-to-change.ts";
import type { Step } from "./plan.ts";
import { plannedSource } from "./planned-source.ts";
import type { PresentSource } from "./present-source.ts";
import { watchOptions, type WantedSource } from "./wanted-source.ts";

export interface PlanContext {
  readonly db: Database;
  readonly config: Config;
  readonly loaded: Sources;
  readonly counts: boolean;
  readonly signal: AbortSignal;
}

interface SourcePlan {
  readonly steps: readonly Step[];
  readonly notes: readonly string[];
}

/** What makes one source as it is declared. @throws {SetupError} if it cannot be */
export async function planSource(
  context: PlanContext,
  wanted: WantedSource,
  present: PresentSource | undefined,
): Promise<SourcePlan> {
  return present === undefined ? await planNew(context, wanted) : await planPresent(context, wanted, present);
}

async function planNew(context: PlanContext, wanted: WantedSource): Promise<SourcePlan> {
  const source = await plannedSource(context.db, wanted);
  const watch = {
    step: "watch",
    source: wanted.name,
    differences: [],
    options: watchOptions(wanted, wanted.overrides),
  } as const;
  const work = { source, isUncut: wanted.chunks !== null };
  return {
    steps: [watch, ...(await backfill(context, wanted, work)), ...(await index(context, wanted, undefined))],
    notes: [],
  };
}

async function planPresent(
  context: PlanContext,
  wanted: WantedSource,
  present: PresentSource,
): Promise<SourcePlan> {
  const differences = compareDefinitions(wanted, present);
  if (present.modelChange !== null && differences.length > 0) throw isChanging(present);
  const model = await compareModels(context.config, wanted.overrides, present);
  const isFree = model.is !== "model" || (await isFreeToChange(context.db, context.config, wanted, present));
  if (isFree && !differences.some(movesVectors)) refuseOtherType(wanted, present);
  const changes = isFree && model.is !== "same" ? [...differences, differenceOf(model)] : differences;
  const { source, chunked } = liveOf(context.loaded, present);
  const overrides = isFree ? wanted.overrides : present.overrides;
  const steps: Step[] = [];
  if (changes.length > 0) {
    const options = watchOptions(wanted, overrides);
    steps.push({ step: "watch", source: wanted.name, differences: changes, options });
  }
  if (!isFree && source !== undefined) {
    const planned = { ...source, ...wanted.overrides, columnDimensions: wanted.overrides.dimensions };
    const estimate = context.counts
      ? await estimateBackfill(context.db, context.config, { source: planned, all: true }, context.signal)
      : null;
    const command = invocation("remodel", [wanted.name, ...model.options]);
    steps.push({
      step: "remodel",
      source: wanted.name,
      differences: [differenceOf(model)],
      command,
      kept: model.kept,
      estimate,
    });
  }
  const work = await workOf(context.db, wanted, differences, { source, chunked });
  const isCutAgain = differences.some(({ part }) => part === "chunks");
  steps.push(...(await backfill(context, wanted, work, isCutAgain)));
  steps.push(...(await index(context, wanted, differences.some(movesVectors) ? undefined : source)));
  return { steps, notes: noteOf(present) };
}

/** The source that embeds, as its tables allow it now; undefined where they do not. */
function liveOf(
  { usable, chunked }: Sources,
  { name }: PresentSource,
): { readonly source?: Source | undefined; readonly chunked?: ChunkedSource | undefined } {
  const cut = chunked.find((source) => source.name === name);
  if (cut !== undefined) return { source: usable.find(({ id }) => id === cut.embeddedBy), chunked: cut };
  return { source: usable.find((source) => source.name === name) };
}

/** The rows that a backfill will find, once the source is as it is declared. */
async function workOf(
  db: Database,
  wanted: WantedSource,
  differences: readonly Difference[],
  { source, chunked }: ReturnType<typeof liveOf>,
): Promise<Work> {
  const isMoved = differences.some(movesVectors);
  const isCutAnew = wanted.chunks !== null && differences.some(({ part }) => part !== "key");
  if (source === undefined || isMoved || isCutAnew) {
    return { source: await plannedSource(db, wanted), isUncut: wanted.chunks !== null };
  }
  const isText = differences.some(({ part }) => part === "text");
  return {
    source: isText ? { ...source, textExpression: wanted.text, textIsColumn: false } : source,
    chunked,
  };
}

function movesVectors({ part }: Difference): boolean {
  return part === "table" || part === "vector" || part === "into" || part === "chunks";
}

async function backfill(
  { db, config, counts, signal }: PlanContext,
  { name }: WantedSource,
  work: Work,
  all = false,
): Promise<Step[]> {
  const estimate = counts ? await estimateBackfill(db, config, work, signal) : null;
  return estimate === null ? [] : [{ step: "backfill", source: name, all, estimate }];
}

/** @param source undefined where its vectors are not there yet, and no index either */
async function index(
  { db }: PlanContext,
  { name, declared }: WantedSource,
  source: Source | undefined,
): Promise<Step[]> {
  if (declared.index === undefined || declared.index === false) return [];
  const isThere = source !== undefined && (await searchedIndex(db, source)) !== undefined;
  // Refuses vectors that are too long before anything is done.
  if (source !== undefined && !isThere) indexShape(source, FULL);
  const memory = declared.index === true ? undefined : declared.index.memory;
  return isThere ? [] : [{ step: "index", source: name, memory }];
}

function differenceOf({ is, ...comparison }: Exclude<ModelComparison, { is: "same" }>): Difference {
  return { part: is, from: comparison.from, to: comparison.to };
}

function isChanging({ name }: PresentSource): SetupError {
  return new SetupError(
    `The model of ${name} is being changed, and the source cannot be changed until that has ended.`,
    `End it: ${invocation("remodel", [name, "--finish"])}, or --cancel before its switch.`,
  );
}

/** Another length makes another column, by `remodel`; another type alone does not. */
function refuseOtherType({ declared }: WantedSource, { name, vector, type }: PresentSource): void {
  if (declared.type === undefined || type === null || declared.type === type) return;
  throw new SetupError(
    `The vectors of ${name} are ${type}, and the file says ${declared.type}.`,
    `Leave out type, or name another column than ${vector} as vector.`,
  );
}

function noteOf({ name, modelChange }: PresentSource): string[] {
  if (modelChange === null) return [];
  return modelChange === "building"
    ? [`The model of ${name} is being changed: ${invocation("remodel", [name])} continues, --cancel ends it.`]
    : [
        `The old vectors of ${name} are kept and paid for until ${invocation("remodel", [name, "--finish"])}.`,
      ];
}
