import type { Source } from "../sources/source.ts";
import type { SplitSettings } from "./split-settings.ts";

/** A source whose texts are cut into passages; they are the rows of its vector table, which another source embeds. */
export interface Splitter extends Source {
  readonly vectorTable: NonNullable<Source["vectorTable"]>;
  readonly passages: SplitSettings;
  /** `embedding_source.id` of the source that embeds the passages. */
  readonly embeddedBy: number;
}

export function isSplitter(source: Source | Splitter): source is Splitter {
  return "passages" in source;
}
