import type { Database } from "../database/connect.ts";
import { UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { dropModel } from "../model-change/drop-model.ts";
import { finishModelChange } from "../model-change/finish.ts";
import { readModelChange, secondSource } from "../model-change/model-change-state.ts";
import { rollBack } from "../model-change/switch.ts";
import { setPaused } from "../sources/set-paused.ts";

/** What the options that end or pause a model change do; each returns what to report. */
export const REMODEL_STEPS = {
  async pause(db: Database, name: string): Promise<string> {
    await setPaused(db, await second(db, name, "building"), true);
    return `Paused. To continue: ${invocation("remodel", [name])}`;
  },
  async rollback(db: Database, name: string, force: boolean): Promise<string> {
    const now = await readModelChange(db, name);
    if (now.state !== "switched") throw notInState(name, "switched");
    await rollBack(db, now.live, now.previous, force);
    return `${name} uses its old model again. The new vectors are kept fresh: ${invocation("remodel", [name])} switches again, --cancel drops them.`;
  },
  async finish(db: Database, name: string): Promise<string> {
    await finishModelChange(db, name, await second(db, name, "switched"));
    return `The old vectors of ${name} are dropped.`;
  },
  async cancel(db: Database, name: string): Promise<string> {
    await dropModel(db, { name: await second(db, name, "building") });
    return `${name} keeps its model. The new column is dropped.`;
  },
} as const;

/** The name of the second source, even if its table is broken. @throws {UsageError} if the model change is not in that state. */
async function second(db: Database, name: string, state: "building" | "switched"): Promise<string> {
  const found = await secondSource(db, name);
  if (found?.state === state) return found.name;
  throw notInState(name, state === "building" ? "being changed" : "switched");
}

function notInState(name: string, state: string): UsageError {
  return new UsageError(
    `${name} is not ${state}.`,
    `${invocation("sources")} shows where each source stands.`,
  );
}
