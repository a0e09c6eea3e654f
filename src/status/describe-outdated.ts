import { invocation } from "../invocation.ts";
import type { LedgerCounts } from "./source-status.ts";

/** How many rows have a vector that a backfill replaces, in words; null if none has. */
export function describeOutdated({ old_text, old_setting }: Omit<LedgerCounts, "adopted">): string | null {
  const counts = [
    ...(old_text === 0 ? [] : [`${rowsHave(old_text)} the vector of an old text`]),
    ...(old_setting === 0 ? [] : [`${rowsHave(old_setting)} a vector of an old model or setting`]),
  ];
  return counts.length === 0 ? null : counts.join(", ");
}

/** The command that embeds the outdated rows of a source. */
export function updateOutdated(source: string): string {
  return invocation("backfill", ["--source", source]);
}

function rowsHave(rows: number): string {
  return rows === 1 ? "1 row has" : `${rows} rows have`;
}
