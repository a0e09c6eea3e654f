import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { SetupError, UsageError } from "../errors.ts";
import type { Source } from "../sources/source.ts";
import { whoEmbeds } from "./asked-model.ts";
import { refuseObstacles } from "./obstacles.ts";
import { prepare, type NewModel } from "./prepare.ts";
import { readModelChange, type ModelChange } from "./model-change-state.ts";

/**
 * The source and the one that is to take its place, made where it is not there yet.
 * @param model null goes on with a change that is under way.
 * @throws {UsageError} where another change is under way, or none.
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
        `No change of the model of ${name} is under way.`,
        `Begin one: npm run remodel -- ${name} --model MODEL [--dim N] [--backend BACKEND]`,
      );
    }
    await prepare(db, before.live, model);
  }
  const now = before.state === "building" ? before : await readModelChange(db, name);
  if (now.state !== "building") {
    throw new SetupError(
      `The model of ${name} was changed meanwhile, by another process.`,
      "npm run sources shows where each source stands.",
    );
  }
  await refuseObstacles(db, now, now.next);
  if (
    model !== null &&
    (whoEmbeds(config, model) !== whoEmbeds(config, now.next) || model.dimensions !== now.next.dimensions)
  ) {
    throw new UsageError(
      `A change of ${name} to ${whoEmbeds(config, now.next)} (${String(now.next.dimensions)} dimensions) is under way.`,
      `npm run remodel -- ${name} goes on with it; --cancel drops what it has made so far.`,
    );
  }
  return now;
}

/** @throws {UsageError} where the switch has been made, and what comes after it has not. */
export function refuseSwitched({ state, live: { name } }: ModelChange): void {
  if (state !== "switched") return;
  throw new UsageError(
    `${name} has been switched already, and its old vectors are still kept.`,
    `npm run remodel -- ${name} --finish drops them; --rollback goes back to them.`,
  );
}
