import type { Database } from "../database/connect.ts";
import { dropModel } from "./drop-model.ts";
import { indexesToRename } from "./index-names.ts";
import { readModelChange } from "./model-change-state.ts";

/**
 * Drops the old vectors after the switch. The new indexes get the names of the old ones.
 * @param previous the name of the source that keeps the old vectors fresh. If a table is broken, that may be the reason for
 * dropping them: then no index is renamed.
 */
export async function finishModelChange(db: Database, name: string, previous: string): Promise<void> {
  const now = await readModelChange(db, name).catch(() => undefined);
  const renames = now?.state === "switched" ? await indexesToRename(db, now.live, now.previous) : [];
  await dropModel(db, { name: previous }, renames);
}
