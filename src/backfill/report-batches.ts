import { describeBatches, readBatches } from "../batches/batch-progress.ts";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";

/** @returns what reports the batches of these sources, each time that they have changed */
export function reportBatchesOf(
  db: Database,
  sources: readonly Source[],
  report: ((report: string) => void) | undefined,
): () => Promise<void> {
  const last = new Map<number, string>();
  return async () => {
    if (report === undefined) return;
    const batches = await readBatches(db);
    for (const { id, name } of sources) {
      const own = batches.get(id);
      const described = own === undefined ? "" : `${name}: ${describeBatches(own)}`;
      if (described !== "" && described !== last.get(id)) report(described);
      last.set(id, described);
    }
  };
}
