import type { Events } from "../events.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import type { Source } from "../sources/source.ts";
import type { ProgressFigures } from "./progress.ts";

/** Counts what this process does for these sources. Its listener works for every source. */
export function countEvents(
  events: Events,
  sources: readonly Source[],
  chunked: readonly ChunkedSource[],
): Pick<ProgressFigures, "cached" | "failed" | "tokens" | "chunks"> {
  const counts = { cached: 0, failed: 0, tokens: 0, chunks: 0 };
  const names = new Set([...sources, ...chunked].map(({ name }) => name));
  const ofChunks = new Set(
    sources.filter(({ id }) => chunked.some(({ embeddedBy }) => embeddedBy === id)).map(({ name }) => name),
  );
  const countChunks = ({ source, rows }: { readonly source: string; readonly rows: number }): void => {
    if (ofChunks.has(source)) counts.chunks += rows;
  };
  events.on("embedded", countChunks);
  events.on("cached", countChunks);
  events.on("cached", ({ source, rows }) => (counts.cached += names.has(source) ? rows : 0));
  events.on("failed", ({ source, rows }) => (counts.failed += names.has(source) ? rows : 0));
  events.on("answered", ({ source, tokens }) => (counts.tokens += names.has(source) ? tokens : 0));
  return counts;
}
