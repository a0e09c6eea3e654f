import type { Database } from "../database/connect.ts";
import { pausedWithPending } from "../queue/counts.ts";
import type { Source } from "../sources/source.ts";

/** Finds those of these sources that are paused and have pending rows, and reports them each time the list changes. */
export function reportPaused(
  db: Database,
  sources: readonly Source[],
  onPaused: ((names: readonly string[]) => void) | undefined,
): () => Promise<void> {
  let reported = "";
  return async () => {
    if (onPaused === undefined) return;
    const names = await pausedWithPending(db, sources);
    if (names.length > 0 && String(names) !== reported) onPaused(names);
    reported = String(names);
  };
}
