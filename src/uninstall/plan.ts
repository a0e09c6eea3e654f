import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { foreignDependents } from "./foreign-dependents.ts";
import type { OwnNames } from "./own-names.ts";
import { findSampleTable, isUnused, sampleColumn, type SampleTable } from "./sample-table.ts";
import {
  foreignSchemaOwner,
  ownRelations,
  ownRoutines,
  ownTriggers,
  type OwnRelation,
  type WatchedTriggers,
} from "./schema-contents.ts";
import { aliveListeners, type AliveListener } from "./stop-listeners.ts";
import { vectorParts, type VectorPart } from "./vectors.ts";

/** What an uninstall finds in a database. */
export interface Plan {
  readonly triggers: readonly WatchedTriggers[];
  readonly relations: readonly OwnRelation[];
  readonly routines: readonly string[];
  readonly sample: SampleTable | null;
  /** What is removed, besides the schema and the triggers. */
  readonly removed: readonly VectorPart[];
  /** What stays, with the statement that removes it. */
  readonly stays: readonly VectorPart[];
  readonly listeners: readonly AliveListener[];
  /** What would be removed with the vectors. */
  readonly withVectors: boolean;
}

/** Reads what is there, and writes nothing. */
export async function planUninstall(db: Database, names: OwnNames, withVectors: boolean): Promise<Plan> {
  const sample = await findSampleTable(db);
  const parts = await vectorParts(db, sample?.oid ?? null);
  const removed = parts.filter(({ staysBecause }) => withVectors && staysBecause === null);
  return {
    triggers: await ownTriggers(db),
    relations: await ownRelations(db, names),
    routines: await ownRoutines(db, names),
    sample,
    removed,
    stays: parts.filter((part) => !removed.includes(part)),
    listeners: await aliveListeners(db),
    withVectors,
  };
}

/**
 * @throws {SetupError} if this role may not remove something, or if others have built on it: nothing of theirs is dropped
 * with ours.
 */
export async function refuseForeign(db: Database, names: OwnNames, plan: Plan): Promise<void> {
  const owner = await foreignSchemaOwner(db);
  if (owner !== null) {
    throw new SetupError(
      `The schema autoembed belongs to the role ${owner}.`,
      "Run this as that role, the one that migrates.",
    );
  }
  const foreign = plan.triggers.filter(({ foreignOwner }) => foreignOwner !== null);
  if (foreign.length > 0) {
    throw new SetupError(
      `Only their owners can drop the triggers on ${foreign.map(({ table, foreignOwner }) => `${table} (${String(foreignOwner)})`).join(", ")}.`,
      "Run this as a role that is a member of the owners', or as a superuser.",
    );
  }
  const { sample, withVectors } = plan;
  const dropped = plan.removed.map((part) => part.dropped);
  if (sample !== null && isUnused(sample)) dropped.push({ oid: sample.oid, column: null });
  else if (sample !== null && withVectors) dropped.push(sampleColumn(sample));
  const dependents = await foreignDependents(db, names, dropped);
  if (dependents.length === 0) return;
  throw new SetupError(
    `Others have made what needs pg-autoembed, or lies in its schema:\n${dependents.map((name) => `  ${name}`).join("\n")}`,
    "Nothing was removed. Drop or change these, then run this again.",
  );
}

/** What the sample table becomes, for people. */
export function fateOfSample({ sample, withVectors }: Plan): "dropped" | "emptied" | "kept" | null {
  if (sample === null) return null;
  if (isUnused(sample)) return "dropped";
  return withVectors ? "emptied" : "kept";
}
