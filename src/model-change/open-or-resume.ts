import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { SetupError, UsageError } from "../errors.ts";
import { invocation, shellWord } from "../invocation.ts";
import type { Source } from "../sources/source.ts";
import { describeModel } from "./asked-model.ts";
import { refuseObstacles } from "./obstacles.ts";
import { prepare, type NewModel } from "./prepare.ts";
import { readModelChange, type ModelChange } from "./model-change-state.ts";

/**
 * The source and the source that is to replace it, which is created if it does not exist yet.
 * @param model null continues the model change that is under way.
 * @throws {UsageError} if a different model change is under way, or if `model` is null and none is.
 */
export async function openOrResume(
  db: Database,
  config: Config,
  name: string,
  model: NewModel | null,
): Promise<{ live: Source; next: Source }> {
  const before = await readModelChange(db, name);
  refuseSwitched(before);
  if (before.state === "none") {
    if (model === null) {
      throw new UsageError(
        `No model change of ${name} is under way.`,
        `Begin one: ${invocation("remodel", `${shellWord(name)} --model MODEL [--dim N] [--backend BACKEND]`)}`,
      );
    }
    await prepare(db, before.live, model);
  }
  const now = before.state === "building" ? before : await readModelChange(db, name);
  if (now.state !== "building") {
    throw new SetupError(
      `Another process changed the model of ${name} at the same time.`,
      `${invocation("sources")} shows where each source stands.`,
    );
  }
  await refuseObstacles(db, now, now.next);
  if (
    model !== null &&
    (describeModel(config, model) !== describeModel(config, now.next) ||
      model.dimensions !== now.next.dimensions)
  ) {
    throw new UsageError(
      `A model change of ${name} to ${describeModel(config, now.next)} (${String(now.next.dimensions)} dimensions) is under way.`,
      `${invocation("remodel", [name])} continues it; --cancel drops its column.`,
    );
  }
  return now;
}

/** @throws {UsageError} if the switch was made, but neither `--finish` nor `--rollback` followed. */
export function refuseSwitched({ state, live: { name } }: ModelChange): void {
  if (state !== "switched") return;
  throw new UsageError(
    `${name} has already switched, and its old vectors are still kept.`,
    `${invocation("remodel", [name, "--finish"])} drops the old vectors; --rollback switches back to them.`,
  );
}
