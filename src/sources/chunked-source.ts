import type { Source } from "./source.ts";
import type { ChunkSettings } from "../chunks/chunk-settings.ts";

/** A source whose texts are cut into passages; they are the rows of its vector table, which another source embeds. */
export interface ChunkedSource extends Source {
  readonly vectorTable: NonNullable<Source["vectorTable"]>;
  readonly passages: ChunkSettings;
  /** `embedding_source.id` of the source that embeds the passages. */
  readonly embeddedBy: number;
}

export function isChunked(source: Source | ChunkedSource): source is ChunkedSource {
  return "passages" in source;
}
