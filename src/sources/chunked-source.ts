import type { Source } from "./source.ts";
import type { ChunkSettings } from "../chunks/chunk-settings.ts";

/** A source whose texts are split into chunks: the rows of its vector table, which another source embeds. */
export interface ChunkedSource extends Source {
  readonly vectorTable: NonNullable<Source["vectorTable"]>;
  readonly chunkSettings: ChunkSettings;
  /** `embedding_source.id` of the source that embeds the chunks. */
  readonly embeddedBy: number;
}

export function isChunked(source: Source | ChunkedSource): source is ChunkedSource {
  return "chunkSettings" in source;
}
