import { invocation } from "../invocation.ts";
import type { SourceStatus, StaleCounts } from "./source-status.ts";

/** How many rows a backfill would embed, in words; null if none. */
export function describeStale({
  not_queued,
  old_text,
  old_setting,
}: Omit<StaleCounts, "adopted">): string | null {
  const counts = [
    ...(not_queued === 0
      ? []
      : [`${rowsHave(not_queued)} no vector and ${not_queued === 1 ? "is" : "are"} not queued`]),
    ...(old_text === 0 ? [] : [`${rowsHave(old_text)} the vector of an old text`]),
    ...(old_setting === 0 ? [] : [`${rowsHave(old_setting)} a vector of an old model or setting`]),
  ];
  return counts.length === 0 ? null : counts.join(", ");
}

/** The command that embeds the stale rows of a source. */
export function updateStale(source: string): string {
  return invocation("backfill", ["--source", source]);
}

/** What a person is to do for the stale rows of a source; null if there are none, or a backfill is under way. */
export function describeStaleSource(
  source: StaleCounts & Pick<SourceStatus, "name" | "chunks_of" | "backfilled">,
): string | null {
  const counts = source.backfilled === null ? describeStale(source) : null;
  return counts === null ? null : `${counts}: ${updateStale(source.chunks_of ?? source.name)}`;
}

function rowsHave(rows: number): string {
  return rows === 1 ? "1 row has" : `${rows} rows have`;
}
