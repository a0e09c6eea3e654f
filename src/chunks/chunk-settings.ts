import { UsageError } from "../errors.ts";

/** How a text is cut: what `embedding_source.passages` holds. */
export interface ChunkSettings {
  /** A passage's length, at most, its overlap with the one before included. */
  readonly chunk: number;
  /** How much of the end of one passage is said again at the start of the next, at most. */
  readonly overlap: number;
  readonly unit: SplitUnit;
}

/**
 * `characters` are counted as Postgres's `char_length` does. `tokens` are estimated, one for every three bytes of UTF-8:
 * no count is exact for every model, and this one is above that of the usual models for most prose.
 */
type SplitUnit = "characters" | "tokens";

/** Below that a passage says nothing. */
const SHORTEST_CHUNK = 20;
/** About an eighth of a passage is said twice, where nothing else is asked. */
const DEFAULT_OVERLAP = 1 / 8;

export interface ChunkOptions {
  readonly chunk: number;
  readonly overlap?: number | undefined;
  readonly unit?: SplitUnit | undefined;
}

/** @throws {UsageError} where no text can be cut like that. */
export function chunkSettings({ chunk, overlap, unit = "characters" }: ChunkOptions): ChunkSettings {
  if (!Number.isInteger(chunk) || chunk < SHORTEST_CHUNK) {
    throw new UsageError(
      `A passage has at least ${SHORTEST_CHUNK} ${unit}, and --chunk is ${chunk}.`,
      "Such as: --chunk 800 --overlap 100",
    );
  }
  const said = overlap ?? Math.floor(chunk * DEFAULT_OVERLAP);
  if (!Number.isInteger(said) || said < 0 || said > chunk / 2) {
    throw new UsageError(
      `--overlap is ${said}, and takes a whole number from 0 to half of --chunk, which is ${chunk}.`,
      `Such as: --chunk ${chunk} --overlap ${Math.floor(chunk * DEFAULT_OVERLAP)}`,
    );
  }
  return { chunk, overlap: said, unit };
}

/** As a person reads it. */
export function describeChunking({ chunk, overlap, unit }: ChunkSettings): string {
  return `into passages of at most ${chunk} ${unit}, up to ${overlap} of them said twice`;
}
